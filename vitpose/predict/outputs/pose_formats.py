"""Predictions in the formats of other tools, made from predictions.jsonl: `--save csv,openpose,yolo,npz,dlc,cvat,slp`.

The last three are labels to correct and to train on, in the formats of labeling tools; `vitpose dataset` reads them.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.files import replacing, write_text

from ...errors import InputError
from ..inputs.sources import natural_key
from ..optional_imports import import_optional
from ..poses import Frame, Poses, keypoint_names, rounded
from .drawn_files import frame_path
from .results import LINES, coco_category, frame_of, read_lines, write_table

Write = Callable[[Path, Mapping[str, Any], Mapping[str, Path], float], None]
CSV, OPENPOSE, YOLO, ARRAYS = 'deeplabcut_csv', 'openpose_json', 'yolo_labels', 'predictions.npz'
LABELS, TABLES, PROJECT = 'labels.json', 'deeplabcut_labels', 'labels.slp'
IMAGES_TABLE = 'images.csv'
FOLDER, SCORER = 'labeled-data', 'vitpose'  # of DeepLabCut's projects
BODY_25 = (
    'nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip right_knee '
    'right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_big_toe left_small_toe '
    'left_heel right_big_toe right_small_toe right_heel'
).split()
MIDDLES = {'neck': ('left_shoulder', 'right_shoulder'), 'mid_hip': ('left_hip', 'right_hip')}
LIMBS = [f'{side}_{part}' for side in ('left', 'right') for part in 'shoulder elbow wrist hip knee ankle'.split()]
# of COCO-WholeBody: OpenPose's key, the first keypoint, how many there are, and how many OpenPose has
PARTS = [('face', 'face-0', 68, 70), ('hand_left', 'left_hand_root', 21, 21), ('hand_right', 'right_hand_root', 21, 21)]


def choose_formats(text: str) -> tuple[str, ...]:
    """Parse a list of formats such as 'coco,csv'. ValueError if there is no such format."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(',')))
    if unknown := [name for name in names if name not in ('jsonl', 'coco', *WRITERS)]:
        raise InputError(f'--save {text}: {unknown[0]!r}: expected some of jsonl,coco,{",".join(WRITERS)}')
    if 'slp' in names:
        import_optional('sleap_io', '--save slp')
    return names


def write_csv(out: Path, metainfo: Mapping[str, Any], places: Mapping[str, Path], kpt_score: float) -> None:
    """Write DeepLabCut's tables: one per video, with its frames as rows, and one with all images.

    With several people in a frame, or with tracks, there is a header row `individuals`: `individual1` is the first
    person of each frame; `track0` is a track, and `untracked1` the first person of a frame, if without a track.
    """
    people = dict[str, dict[str, None]]()  # the individuals of each table
    for frame, poses, _ in _read(out):
        people.setdefault(_table(places[frame.name]), {}).update(dict.fromkeys(_individuals(poses)))
    for is_video in (True, False):
        rows = (row for row in _read(out) if (places[row[0].name].suffix == '.mp4') == is_video)
        for table, group in groupby(rows, lambda row: _table(places[row[0].name])):
            write_table(out / CSV / table, _csv_rows(group, metainfo, list(people[table])))


def write_openpose(out: Path, metainfo: Mapping[str, Any], places: Mapping[str, Path], kpt_score: float) -> None:
    """Write OpenPose's JSON files, one per frame.

    A body with the limbs of COCO is in the order of OpenPose's BODY_25, with the middle of both sides as neck and hip
    where the model has none, and zeros for what else it lacks; hands and face are those of COCO-WholeBody. Others, as
    animals, are in the order of the model.
    """
    names = keypoint_names(metainfo)
    body = BODY_25 if set(LIMBS) <= set(names) else names
    parts = [(key, names.index(first), count, total) for key, first, count, total in PARTS if first in names]
    for frame, poses, _ in _read(out, with_size=True):
        people = []
        tracks = np.full(len(poses.boxes), -1) if poses.track_ids is None else poses.track_ids
        for values, track in zip(_values(poses), tracks.tolist(), strict=True):
            points = dict(zip(names, values, strict=True))
            for name, sides in MIDDLES.items():
                if name not in points and body is BODY_25:
                    both = np.array([points[side] for side in sides])
                    points[name] = np.array([*both[:, :2].mean(0), both[:, 2].min()])
            found = {'pose': [points.get(name, np.zeros(3)) for name in body]}
            for key, start, count, total in parts:
                found[key] = [*values[start : start + count], *np.zeros((total - count, 3))]
            keys = ('pose', 'face', 'hand_left', 'hand_right')
            person = {f'{key}_keypoints_2d': np.ravel(found.get(key, ())).tolist() for key in keys}
            people.append({'person_id': [track]} | person | {f'{key}_keypoints_3d': [] for key in keys})
        path = frame_path(places[frame.name], frame.index, '_keypoints.json')
        write_text(out / OPENPOSE / path, json.dumps({'version': 1.3, 'people': people}) + '\n')


def write_yolo(out: Path, metainfo: Mapping[str, Any], places: Mapping[str, Path], kpt_score: float) -> None:
    """Write labels of Ultralytics' pose datasets, one file per frame: class 0, box and keypoints, normalized.

    Keypoints outside of the image, or with a score below `kpt_score`, are `0 0 0`, others have the visibility 2.
    """
    for frame, poses, size in _read(out, with_size=True):
        rows = []
        for values, box in zip(_values(poses), poses.boxes, strict=True):
            low, high = np.clip(np.nan_to_num(box).reshape(2, 2), 0, size) / size
            points = np.column_stack((values[:, :2] / size, np.full(len(values), 2)))
            inside = ((points[:, :2] >= 0) & (points[:, :2] <= 1)).all(1)
            points[~(inside & (values[:, 2] >= kpt_score) & values.any(1))] = 0
            rows.append(' '.join(f'{value:.6g}' for value in (0, *(low + high) / 2, *high - low, *points.ravel())))
        path = frame_path(places[frame.name], frame.index, '.txt')
        write_text(out / YOLO / path, ''.join(f'{row}\n' for row in rows))


def write_arrays(out: Path, metainfo: Mapping[str, Any], places: Mapping[str, Path], kpt_score: float) -> None:
    """Write one NumPy file: F frames, and all N people of them with `frames`, their indices among the frames.

    files, indices, -1 for an image, and times in seconds (F,); frames (N,), keypoints (N, K, 2), keypoint_scores
    (N, K), boxes (N, 4), scores (N,) and track_ids (N,), -1 without track; keypoint_names (K,) and skeleton (L, 2).
    """
    names, rows = keypoint_names(metainfo), list(_read(out))
    tracks = [np.full(len(p.boxes), -1) if p.track_ids is None else p.track_ids for _, p, _ in rows]

    def joined(values: Iterable[np.ndarray], *shape: int) -> np.ndarray:
        return np.concatenate([np.zeros((0, *shape)), *(value.reshape(-1, *shape) for value in values)])

    arrays = dict(
        files=np.array([frame.name for frame, _, _ in rows], str),
        indices=np.array([-1 if frame.index is None else frame.index for frame, _, _ in rows]),
        times=np.array([np.nan if frame.time is None else frame.time for frame, _, _ in rows]),
        frames=np.repeat(np.arange(len(rows)), list(map(len, tracks))),
        keypoints=joined((poses.keypoints for _, poses, _ in rows), len(names), 2).astype(np.float32),
        keypoint_scores=joined((poses.scores for _, poses, _ in rows), len(names)).astype(np.float32),
        boxes=joined((poses.boxes for _, poses, _ in rows), 4).astype(np.float32),
        scores=joined(poses.box_scores for _, poses, _ in rows).astype(np.float32),
        track_ids=joined(tracks).astype(np.int64),
        keypoint_names=np.array(names, str),
        skeleton=np.array(metainfo['skeleton_links'], np.int64).reshape(-1, 2),
    )
    with replacing(out / ARRAYS) as part, part.open('wb') as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _read_labels(out: Path, kpt_score: float, with_videos: bool = False) -> Iterator[tuple[Frame, Poses, Any]]:
    """Yield images of a record with people, without errors, and their sizes (w, h); frames of videos only if asked for.

    Coordinates are NaN where the score is below `kpt_score`.
    """
    for frame, poses, size in _read(out):
        if (with_videos or frame.index is None) and frame.error is None and len(poses.boxes):
            poses.keypoints[~(poses.scores >= kpt_score)] = np.nan
            yield frame, poses, size


def write_coco_labels(out: Path, metainfo: Mapping[str, Any], places: Mapping[str, Path], kpt_score: float) -> None:
    """Write a COCO annotation file, which CVAT imports as COCO Keypoints 1.0; all keypoints in it are visible."""
    images, rows = list[dict](), list[dict]()
    for image_id, (frame, poses, (width, height)) in enumerate(_read_labels(out, kpt_score), 1):
        images.append(dict(id=image_id, file_name=frame.name, width=width, height=height))
        for points, (x1, y1, x2, y2) in zip(poses.keypoints, poses.boxes.tolist(), strict=True):
            known = np.isfinite(points).all(1)
            values = rounded(np.where(known[:, None], np.column_stack((points, np.full(len(points), 2))), 0).ravel())
            box = rounded((x1, y1, x2 - x1, y2 - y1))
            row = dict(id=len(rows) + 1, image_id=image_id, category_id=1, iscrowd=0, bbox=box, area=box[2] * box[3])
            rows.append(row | dict(keypoints=values, num_keypoints=int(known.sum())))
    content = dict(images=images, annotations=rows, categories=[coco_category(metainfo)])
    write_text(out / LABELS, json.dumps(content, allow_nan=False) + '\n')


def write_deeplabcut_labels(
    out: Path, metainfo: Mapping[str, Any], places: Mapping[str, Path], kpt_score: float
) -> None:
    """Write a folder like a DeepLabCut project's, with a table of labels for each folder of images.

    It is named after the folder, or `a_frames` and `b_frames` for two of the same name: `vitpose dataset` finds them.
    """
    tables: dict[Path, list[tuple[str, Poses]]] = {}
    for frame, poses, _ in _read_labels(out, kpt_score):
        path = Path(os.path.abspath(frame.name))
        tables.setdefault(path.parent, []).append((path.name, poses))
    ends = {path: ['_'.join(path.parts[-n:]) for n in range(1, len(path.parts))] for path in tables}
    counts = Counter(end for path in ends for end in ends[path])
    folders = [next((end for end in ends[path] if counts[end] == 1), f'images_{i}') for i, path in enumerate(tables)]
    names = keypoint_names(metainfo)
    for folder, rows in zip(folders, tables.values(), strict=True):
        count = max(len(poses.boxes) for _, poses in rows)
        table = _heads(SCORER, [f'individual{i + 1}' for i in range(count)], names, 'xy')
        for name, poses in rows:
            values = np.full((count, len(names), 2), np.nan)
            values[: len(poses.boxes)] = poses.keypoints
            table.append([f'{FOLDER}/{folder}/{name}', *rounded(values.ravel())])
        write_table(out / TABLES / FOLDER / folder / f'CollectedData_{SCORER}.csv', table)


def write_sleap_labels(out: Path, metainfo: Mapping[str, Any], places: Mapping[str, Path], kpt_score: float) -> None:
    """Write a SLEAP project, in which all images are one video. ValueError if sleap-io is not installed."""
    sleap_io = import_optional('sleap_io', 'writing SLEAP projects')
    names = keypoint_names(metainfo)
    edges = [(names[a], names[b]) for a, b in metainfo['skeleton_links']]
    skeleton = sleap_io.Skeleton([*names], edges=edges)  # which changes the list
    rows = list(_read_labels(out, kpt_score, with_videos=True))
    images = {name: i for i, name in enumerate(frame.name for frame, _, _ in rows if frame.index is None)}
    videos, frames = dict[str | None, Any](), []
    for frame, poses, _ in rows:
        is_image = frame.index is None
        key = None if is_image else frame.name
        if key not in videos:
            paths = [os.path.abspath(name) for name in (images if is_image else (frame.name,))]
            videos[key] = sleap_io.Video(paths if is_image else paths[0])
        instances = [sleap_io.Instance.from_numpy(points, skeleton) for points in poses.keypoints]
        index = images[frame.name] if is_image else frame.index
        frames.append(sleap_io.LabeledFrame(videos[key], index, instances))
    project = sleap_io.Labels(frames, videos=list(videos.values()), skeletons=[skeleton])
    with replacing(out / PROJECT) as part:
        sleap_io.save_slp(project, str(part), verbose=False)


# by the names of --save: what writes the format, and the file or folder that it writes
WRITERS: dict[str, tuple[Write, str]] = {
    'csv': (write_csv, CSV),
    'openpose': (write_openpose, OPENPOSE),
    'yolo': (write_yolo, YOLO),
    'npz': (write_arrays, ARRAYS),
    'dlc': (write_deeplabcut_labels, TABLES),
    'cvat': (write_coco_labels, LABELS),
    'slp': (write_sleap_labels, PROJECT),
}


def _read(out: Path, with_size: bool = False) -> Iterator[tuple[Frame, Poses, Any]]:
    """Read the frames of a record, or only those `with_size`, with poses and the size (w, h) of the image, or None."""
    lines = (line for line, _ in read_lines(out / LINES))
    return ((*frame_of(line), line['size']) for line in lines if line['size'] is not None or not with_size)


def _values(poses: Poses, missing: float = 0) -> np.ndarray:
    """Join keypoints with their scores (N, K, 3); `missing` where they are not finite."""
    values = np.concatenate((poses.keypoints.reshape(*poses.scores.shape, 2), poses.scores[..., None]), -1)
    return np.where(np.isfinite(values).all(-1, keepdims=True), values, missing)


def _table(place: Path) -> str:
    return f'{place}.csv' if place.suffix == '.mp4' else IMAGES_TABLE


def _individuals(poses: Poses) -> list[str]:
    if poses.track_ids is None:
        return [f'individual{i + 1}' for i in range(len(poses.boxes))]
    return [f'track{track}' if track >= 0 else f'untracked{i + 1}' for i, track in enumerate(poses.track_ids.tolist())]


def _heads(scorer: str, people: Sequence[str], names: Sequence[str], kinds: Sequence[str]) -> list[list]:
    """Make the header rows of a table of DeepLabCut; without `individuals` if the only one is `individual1`."""
    cells = [(person, name, kind) for person in people for name in names for kind in kinds]
    heads = [['scorer', *[scorer] * len(cells)]]
    for title, column in zip(('individuals', 'bodyparts', 'coords'), zip(*cells, strict=True), strict=True):
        if title != 'individuals' or people != ['individual1']:
            heads.append([title, *column])
    return heads


def _csv_rows(rows: Any, metainfo: Mapping[str, Any], people: Sequence[str]) -> Iterator[list]:
    names, people = keypoint_names(metainfo), sorted(people, key=natural_key) or ['individual1']
    yield from _heads(metainfo.get('model') or SCORER, people, names, ('x', 'y', 'likelihood'))
    for frame, poses, _ in rows:
        values = np.full((len(people), len(names), 3), np.nan)
        for person, found in zip(_individuals(poses), _values(poses, np.nan), strict=True):
            values[people.index(person)] = found
        row = ['' if np.isnan(number) else number for number in values.ravel().tolist()]
        yield [frame.name if frame.index is None else frame.index, *row]
