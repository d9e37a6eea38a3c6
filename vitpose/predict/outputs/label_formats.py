"""Predictions as labels to correct and to train on, in the formats of labeling tools; `vitpose dataset` reads them."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.files import replacing, write_text

from ..optional_imports import import_optional
from ..poses import Frame, Poses, keypoint_names, rounded
from .results import LINES, coco_category, frame_of, read_lines, write_table

LABELS, TABLES, PROJECT = 'labels.json', 'deeplabcut_labels', 'labels.slp'
FOLDER = 'labeled-data'  # of DeepLabCut's projects
SCORER = 'vitpose'


def read_labels(
    out: Path, kpt_score: float, with_videos: bool = False
) -> Iterator[tuple[Frame, Poses, tuple[int, int]]]:
    """Yield images of a record with people, without errors, and their sizes (w, h); frames of videos only if asked for.

    Coordinates are NaN where the score is below `kpt_score`.
    """
    for line, _ in read_lines(out / LINES):
        frame, poses = frame_of(line)
        if (with_videos or frame.index is None) and frame.error is None and len(poses.boxes):
            poses.keypoints[~(poses.scores >= kpt_score)] = np.nan
            yield frame, poses, tuple(line['size'])


def write_coco_labels(out: Path, metainfo: Mapping[str, Any], places: Mapping[str, Path], kpt_score: float) -> None:
    """Write a COCO annotation file, which CVAT imports as COCO Keypoints 1.0; all keypoints in it are visible."""
    images, rows = list[dict](), list[dict]()
    for image_id, (frame, poses, (width, height)) in enumerate(read_labels(out, kpt_score), 1):
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
    for frame, poses, _ in read_labels(out, kpt_score):
        path = Path(os.path.abspath(frame.name))
        tables.setdefault(path.parent, []).append((path.name, poses))
    ends = {path: ['_'.join(path.parts[-n:]) for n in range(1, len(path.parts))] for path in tables}
    counts = Counter(end for path in ends for end in ends[path])
    folders = [next((end for end in ends[path] if counts[end] == 1), f'images_{i}') for i, path in enumerate(tables)]
    names = keypoint_names(metainfo)
    for folder, rows in zip(folders, tables.values(), strict=True):
        count = max(len(poses.boxes) for _, poses in rows)
        cells = [(f'individual{i + 1}', name, axis) for i in range(count) for name in names for axis in 'xy']
        heads = dict(zip(('individuals', 'bodyparts', 'coords'), zip(*cells, strict=True), strict=True))
        table: list[list] = [['scorer', *[SCORER] * len(cells)]]
        table += ([title, *row] for title, row in heads.items() if title != 'individuals' or count > 1)
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
    rows = list(read_labels(out, kpt_score, with_videos=True))
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
