"""predictions.jsonl: its header and lines, which `--resume` continues; COCO results and uncertain frames from it."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.files import replacing
from vitpose_base.installed import installed_versions

from ...errors import InputError
from ...models.hub import OKS_SIGMA
from ..inputs.boxes import is_header
from ..inputs.matching import GivenBoxes
from ..inputs.sources import Source
from ..models.crops import CropRule
from ..poses import EXTRAS, Frame, Poses, keypoint_names, rounded
from ..scoring import Scoring

LINES, SETTINGS, RESULTS, IMAGES = 'predictions.jsonl', 'settings.json', 'keypoints.json', 'images.json'
UNCERTAIN = 'uncertain.csv'  # the frames that are worth labeling next
MIN_GAP = 10  # frames of a video between two that are listed there: neighbors are alike
NOT_COMPARED = 'command title inputs out resume html device batch_size save show uncertain'.split()
UNITS = 'pixels of the upright image; the center of the first pixel is 0 0; time in seconds'


def write_array(path: Path, items: Iterable[object], head: str = '', tail: str = '\n') -> None:
    """Write a JSON array atomically, between `head` and `tail`; without '<' it can stand in the script of a page."""
    with replacing(path) as part, part.open('w', encoding='utf-8') as file:
        file.write(f'{head}[')
        separator = '\n'
        for item in items:
            file.write(separator + json.dumps(item, allow_nan=False).replace('<', r'\u003c'))
            separator = ',\n'
        file.write(f'\n]{tail}')


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file atomically; names of files that are not UTF-8 keep their bytes."""
    with replacing(path) as part, part.open('w', encoding='utf-8', errors='surrogateescape', newline='') as file:
        csv.writer(file, lineterminator='\n').writerows(rows)


def read_lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the lines of frames, and where each ends in bytes; a last line that was cut is left out."""
    end = 0
    with path.open('rb') as file:
        for number, text in enumerate(file, 1):
            if not text.endswith(b'\n'):
                return
            end += len(text)
            try:
                line = json.loads(text)
                if number == 1 and is_header(line):
                    continue
                _ = frame_of(line)
            except (ValueError, KeyError, TypeError, RecursionError) as problem:
                expected = 'expected a line of `vitpose predict`'
                raise InputError(f'{path}, line {number}: {expected}, got {text[:80]!r}') from problem
            yield line, end


def header_of(metainfo: Mapping[str, Any]) -> dict[str, Any]:
    """Make the first line of predictions.jsonl, from a model's metainfo: what its other lines mean, and their maker."""
    rule, sigmas = metainfo.get('crop_rule'), metainfo.get('sigmas')
    return {
        'version': installed_versions(['vitpose_mm']).get('vitpose_mm'),
        **{key: metainfo.get(key) for key in ('model', 'license')},
        'units': UNITS,
        'keypoint_names': keypoint_names(metainfo),
        'skeleton': [[int(a), int(b)] for a, b in metainfo['skeleton_links']],
        **{key: metainfo.get(key) for key in ('dataset_name', 'category')},
        'sigmas': None if sigmas is None else rounded(sigmas, 6),
        'crop_rule': rule and asdict(rule),
        'metric': metainfo.get('metric') or {},
        'score_kind': metainfo.get('score_kind', 'peak'),
    }


def read_header(path: Path) -> dict[str, Any]:
    """Read the metainfo in the header of a predictions.jsonl, without colors. ValueError if it has none."""
    with path.open('rb') as file:
        text = file.readline()
    try:
        header = json.loads(text)
        rule = header['crop_rule']
        rule = rule and CropRule(**rule | {'input_size': tuple(rule['input_size'])})
        names, links = dict(enumerate(header['keypoint_names'])), header['skeleton']
        return header | dict(crop_rule=rule, keypoint_id2name=names, skeleton_links=links)
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise InputError(f'{path}, line 1: expected the header of `vitpose predict`, got {text[:80]!r}') from problem


@dataclass(frozen=True)
class Record:
    """The part of predictions.jsonl that is kept: its first `size` bytes, with all frames of the inputs in `done`."""

    path: Path
    size: int = 0
    done: frozenset[str] = frozenset()

    def frames(self) -> Iterator[tuple[Frame, Poses]]:
        """Read the frames, without images, and their poses. Call it after `Outputs` has removed what is not kept."""
        return (frame_of(line) for line, _ in (read_lines(self.path) if self.size else ()))


def read_record(out: Path, sources: Sequence[Source], settings: Mapping[str, Any]) -> Record:
    """Read what an earlier run left in a folder; an unfinished video, and a line that was cut, are left out.

    ValueError if it had other settings or inputs, or cannot be continued.
    """
    path, kinds = out / LINES, {source.name: source.kind for source in sources}
    if not path.is_file():
        return Record(path)
    try:
        earlier = json.loads((out / SETTINGS).read_text(encoding='utf-8'))
        changed = [key for key in settings if earlier.get(key) != settings[key]]
    except (OSError, ValueError, AttributeError) as problem:
        unknown = f'--resume: {out / SETTINGS}, which says how {path} was predicted, cannot be read'
        raise InputError(f'{unknown}: {problem}; choose a new --out, or leave out --resume') from problem
    if changed:
        words = '; '.join(f'--{key.replace("_", "-")} was {earlier.get(key)} and is {settings[key]}' for key in changed)
        raise InputError(f'--resume: {words}; expected the settings of the earlier run, or a new --out')
    starts: dict[str, int] = {}  # where the lines of each input begin
    size = 0
    for line, end in read_lines(path):
        starts.setdefault(line['file'], size)
        size = end
    for name in starts:
        if kinds.get(name, 'live') == 'live':  # which cannot be continued
            expected = 'expected it among the inputs, as before, and no camera or stream'
            raise InputError(f'--resume: {path} has lines of {name}: {expected}')
    last = next(reversed(starts), None)
    if last and kinds[last] == 'video' and not earlier.get('finished'):
        size = starts.pop(last)
    return Record(path, size, frozenset(starts))


def comparable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a command as they can be stored and compared: a file with its size and time."""

    def text(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [text(item) for item in value]
        if not isinstance(value, Path) or not value.exists():
            return value and str(value)
        stat = value.stat()
        when = datetime.fromtimestamp(stat.st_mtime).isoformat(' ', 'seconds')
        return f'{value.resolve()} ({stat.st_size:,} bytes, {when})'

    values = {**options, 'detector': [Path(word) for word in options.get('detector') or ()]}  # other words stay text
    return {key: text(value) for key, value in values.items() if key not in NOT_COMPARED and not callable(value)}


def write_coco(out: Path, metainfo: Mapping[str, Any], given: GivenBoxes | None = None) -> None:
    """Write COCO keypoint results, in the format that `COCO.loadRes` of pycocotools reads, from the lines in a folder.

    Scores and OKS-NMS are those of the CocoMetric in the config's test_evaluator, or of its defaults; of a calibrated
    model the score is the expected OKS times the box's. `bbox` is the box, as in MMPose, whose area decides between AP
    (M) and AP (L). Image ids and categories are those of the given boxes; without ids images are numbered from 1, and
    images.json, a COCO file without annotations, lists them.
    """
    ids, category = given.image_ids if given else None, coco_category(metainfo)

    def numbered() -> Iterator[tuple[Any, dict[str, Any]]]:
        read = (line for line, _ in read_lines(out / LINES) if line['size'] is not None)
        for number, line in enumerate(read, 1):
            if not ids or line['file'] in ids:  # more inputs after `--resume` can make its boxes ambiguous
                yield ids[line['file']] if ids else number, line

    people = (dict(image_id=number, **person) for number, line in numbered() for person in coco_people(line, metainfo))
    write_array(out / RESULTS, people)
    if not ids:
        listed = (
            dict(id=number, file_name=line['file'], width=line['size'][0], height=line['size'][1])
            | ({'frame': line['frame']} if 'frame' in line else {})
            for number, line in numbered()
        )
        head = f'{{"annotations": [],\n"categories": {json.dumps([category])},\n"images": '
        write_array(out / IMAGES, listed, head, '}\n')


def count_objects(count: int, metainfo: Mapping[str, Any]) -> str:
    """Say how many objects there are by the metainfo's category: '2 people', '2 x mouse'."""
    name = metainfo.get('category') or 'person'
    return f'{count:,} x {name}' if name != 'person' else f'{count:,} {"person" if count == 1 else "people"}'


def coco_category(metainfo: Mapping[str, Any]) -> dict[str, Any]:
    """Make the category of a model's keypoints, as in a COCO file."""
    known = header_of(metainfo)
    category = {'id': 1, 'name': known['category'] or known['dataset_name'] or 'person'}
    skeleton = [[a + 1, b + 1] for a, b in known['skeleton']]
    return category | {'keypoints': known['keypoint_names'], 'skeleton': skeleton}


def coco_people(line: dict[str, Any], metainfo: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the people of a line in COCO's format, except those that are not finite or that OKS-NMS removes."""
    _, poses = frame_of(line)
    if not len(poses.boxes):
        return
    values = np.concatenate((poses.keypoints, poses.scores[..., None]), 2)
    ranks = poses.box_scores if poses.expected_oks is None else poses.box_scores * poses.expected_oks
    numbers = np.column_stack((values.reshape(len(values), -1), poses.boxes, ranks))
    rows = np.flatnonzero(np.isfinite(numbers).all(1))
    values, boxes = values[rows], poses.boxes[rows]
    kinds = line.get('category_ids') or [1] * len(poses.boxes)
    rule, sigmas = metainfo.get('crop_rule'), metainfo.get('sigmas')
    sides = rule.regions(boxes)[1] if rule else boxes[:, 2:] - boxes[:, :2]
    sigmas = np.full(poses.scores.shape[1], OKS_SIGMA) if sigmas is None else np.asarray(sigmas)
    scoring = Scoring(**(metainfo.get('metric') or {}))
    scores = scoring.scores(ranks[rows], values[..., 2]) if poses.expected_oks is None else ranks[rows]
    for i in scoring.kept(values[..., :2], scores, sides.prod(1), sigmas):
        points, box = rounded(values[i].ravel()), rounded((*boxes[i, :2], *(boxes[i, 2:] - boxes[i, :2])))
        yield dict(category_id=kinds[rows[i]], keypoints=points, score=float(scores[i]), bbox=box)


def line_of(frame: Frame, poses: Poses) -> dict[str, Any]:
    """Return what the line of a frame in predictions.jsonl holds.

    file: `Frame.name`; frame and time: index and seconds, of videos only; size: [width, height], or None; error: None,
    or what failed; and what `Poses.to_dict` returns, without the header's. predictions.schema.json describes it all.
    """
    people = poses.to_dict()
    del people['keypoint_names'], people['score_kind']  # which are in the header
    return {
        'file': frame.name,
        **({} if frame.index is None else {'frame': frame.index, 'time': frame.time and rounded(frame.time, 6)}),
        'size': None if frame.image is None else [frame.image.shape[1], frame.image.shape[0]],
        'error': frame.error,
        **people,
    }


def frame_of(line: Mapping[str, Any]) -> tuple[Frame, Poses]:
    """Return the frame of a line, without its image, and its poses."""
    keys = 'boxes', 'scores', 'keypoints', 'keypoint_scores'
    boxes, box_scores, points, scores = (np.array(line[key], np.float64) for key in keys)
    rows = np.arange(len(boxes))
    tracks = None if line['track_ids'] is None else np.array(line['track_ids'], np.int64)
    frame = Frame(line['file'], None, line.get('frame'), line.get('time'), error=line['error'])
    extras: dict[str, Any] = {name: np.array(line[name], np.float64) for name in EXTRAS if name in line}
    return frame, Poses(points, scores, boxes.reshape(-1, 4), box_scores, rows, tracks, line['dropped'], **extras)


def write_uncertain(out: Path, count: int) -> list[str]:
    """Write the `count` frames with people and the lowest mean score of their keypoints; return a line about each."""
    scored = []
    for line, _ in read_lines(out / LINES):
        scores = np.array(line['keypoint_scores'], float)
        if scores.size:
            scored.append((float(np.nan_to_num(scores).mean()), line['file'], line.get('frame'), line.get('time')))
    rows: list[tuple] = []
    for row in sorted(scored, key=lambda row: row[0]):
        same = (other for other in rows if other[1] == row[1])
        if len(rows) < count and all(abs(other[2] - row[2]) >= MIN_GAP for other in same):
            rows.append(row)
    listed = ((name, frame, time, round(score, 4)) for score, name, frame, time in rows)
    write_table(out / UNCERTAIN, [('file', 'frame', 'time', 'score'), *listed])
    return [f'{score:.3f}  {name}' + ('' if frame is None else f', frame {frame}') for score, name, frame, _ in rows]
