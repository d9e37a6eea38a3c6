"""Boxes of people from a file: a COCO annotation file, COCO detections or JSON lines."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from .coco_json import is_crowd, match_ids, parse_json, parse_numbers, read_box, read_size, short_text
from .matching import GivenBoxes, Listed, name_few
from .sources import Source

PERSON = 'person'


def read_boxes(
    path: Path, sources: list[Source], images_json: Path | None = None, category: str | None = None, scale: bool = False
) -> GivenBoxes:
    """Read boxes and match them to the sources. ValueError if none matches, or the file has another format.

    Args:
        path: COCO annotations: `bbox` is x y width height; if it is missing, or of null, zeros or -1, it is around
            the labeled keypoints. Crowds are left out, and boxes are clipped to the image, as in MMPose's datasets.
            COCO detections: a list of {image_id, bbox, score}. JSON lines (.jsonl), as in predictions.jsonl:
            {"file": NAME, "boxes": [[x1, y1, x2, y2], ...]} with optional `"scores": [...]` and
            `"size": [width, height]`, and `"frame": INDEX` for a video.
        sources: what is to be predicted.
        images_json: COCO file with the `images` of detections; only for these.
        category: name or id of COCO's category whose boxes are taken; by default 'person', or all if there is none.
        scale: scale boxes that were made for a smaller or larger copy of an image; otherwise they are a ValueError.
    """
    if path.suffix.lower() == '.jsonl':
        for option, value in (('--images-json', images_json), ('--category', category)):
            if value is not None:
                raise InputError(f'{option} {value}: only for COCO files, not {path}')
        listed, notes = _read_lines(path)
    else:
        data = parse_json(path.read_bytes(), f'{path}: not a JSON file')
        if isinstance(data, list) != (images_json is not None):
            raise InputError(f'{path}: pass --images-json for a list of COCO detections, and only for that')
        listed, notes = _read_coco(path, data, images_json, category)
    tables = [table for entry in listed.values() for table in entry.boxes.values()]
    corners = np.concatenate(tables) if tables else np.zeros(0)
    if len(corners) and corners.max() <= 1 and np.mod(corners, 1).any():
        raise InputError(f'{path}: all {len(corners):,} boxes lie between 0 and 1: expected pixels of the images')
    boxes = GivenBoxes(path, listed, sources, scale)
    boxes.file_notes += notes
    return boxes


def is_header(row: object) -> bool:
    """Answer whether a line of JSON is the header of predictions.jsonl."""
    return isinstance(row, dict) and 'keypoint_names' in row and 'file' not in row


def _read_coco(
    path: Path, data: Any, images_json: Path | None, category: str | None
) -> tuple[dict[str, Listed], list[str]]:
    """Read annotations, or detections with the images of `images_json`; also return notes on what is left out."""
    if images_json is None:
        noun, images_path, head, rows = 'annotations', path, data, _get(data, 'annotations', list, str(path))
    else:
        noun, images_path, rows = 'detections', images_json, data
        head = parse_json(images_json.read_bytes(), f'{images_json}: not a JSON file')
    listed: dict[str, Listed] = {}
    names: dict[Any, str] = {}
    bad: list[str] = []  # rows that are left out, and why
    for number, image in enumerate(_get(head, 'images', list, str(images_path))):
        where = f'{images_path}: images[{number}]'
        with _collect(bad):
            name, key = _get(image, 'file_name', str, where), _get(image, 'id', object, where)
            if names.setdefault(key, name) != name:
                raise InputError(f'{where}: id {key!r} occurs twice')
            listed.setdefault(name, Listed(image_id=key, size=read_size(image.get('width'), image.get('height'))))
    kind_names: dict[int, str] = {}
    for number, category_row in enumerate(_get(head, 'categories', list, str(images_path), [])):
        with _collect(bad):
            kind = _get(category_row, 'id', int, f'{images_path}: categories[{number}]')
            kind_names[kind] = str(category_row.get('name'))
    bad_in_head = len(bad)
    default = next((kind for kind, name in kind_names.items() if name.lower() == PERSON), 1)
    good: list[tuple[dict, str, Any, int]] = []
    for number, row in enumerate(rows):
        where = f'{path}: {noun}[{number}]'
        with _collect(bad):
            key, kind = _get(row, 'image_id', object, where), _get(row, 'category_id', int, where, default)
            good.append((row, where, key, kind))
    image_ids = match_ids(names, {key for _, _, key, _ in good})
    counts = Counter(kind for row, _, _, kind in good if not is_crowd(row))
    wanted, notes = _choose_categories(path, kind_names, counts, category)
    people: dict[str, list] = {name: [] for name in listed}  # x1 y1 x2 y2, score and category of an image's people
    without_box = []
    for row, where, key, kind in good:
        with _collect(bad):
            if key not in image_ids:
                raise InputError(f'{where}: image_id {key!r} is not among the images of {images_path}')
            if is_crowd(row) or kind not in wanted:
                continue
            score = _get(row, 'score', float, where) if noun == 'detections' else 1.0
            if (box := read_box(row, where)) is None:
                without_box.append(where.removeprefix(f'{path}: '))
                continue
            x, y, width, height = box
            people[names[image_ids[key]]].append((x, y, x + width, y + height, score, kind))
    notes += _say_left_out(bad, len(rows) + bad_in_head - len(bad))
    for name, entry in listed.items():
        table = np.array(people[name], float).reshape(-1, 6)
        entry.boxes[None], entry.categories = table[:, :4].astype(np.float32), table[:, 5].astype(np.int64)
        if noun == 'detections':
            entry.scores[None] = table[:, 4].astype(np.float32)
        elif entry.size:
            entry.boxes[None] = entry.boxes[None].clip(0, np.array(entry.size * 2, np.float32) - 1)
    if without_box:
        reason = 'left out: neither bbox nor labeled keypoints'
        notes.append(f'{path}: {len(without_box):,} {noun} {reason}: {name_few(without_box)}')
    return listed, notes


def _choose_categories(
    path: Path, names: Mapping[int, str], counts: Counter[int], chosen: str | None
) -> tuple[set[int], list[str]]:
    """Return the ids of the categories whose boxes are taken, and notes; `counts` are the numbers of boxes by id."""
    label, kinds = chosen or PERSON, {*names, *counts}
    wanted = {kind for kind in kinds if label.lower() in (str(kind), names.get(kind, '').lower())}
    text = [(kind, f'{n:,} {names.get(kind, f"of category {kind}")}') for kind, n in counts.most_common()]
    if not wanted and chosen is None:
        note = f'{path}: boxes of {len(text)} categories: {name_few([t for _, t in text], 5)}; --category NAME chooses'
        return kinds, [note] * (len(text) > 1)
    others = name_few([t for kind, t in text if kind not in wanted], 5)
    if (others or chosen) and not wanted & counts.keys():
        raise InputError(f'{path}: no box is of category {label}; it has {others or "none"}: pass --category NAME')
    return wanted, [f'{path}: boxes of other categories left out: {others}'] if others else []


def _read_lines(path: Path) -> tuple[dict[str, Listed], list[str]]:
    """Read JSON lines; also return notes on what is left out."""
    listed: dict[str, Listed] = {}
    bad: list[str] = []
    with path.open('rb') as file:
        for number, line in enumerate(file, 1):
            where = f'{path}, line {number}'
            with _collect(bad):
                if not line.strip() or (is_header(row := parse_json(line, f'{where}: not JSON')) and number == 1):
                    continue
                name, boxes = _get(row, 'file', str, where), _get(row, 'boxes', list, where)
                frame = None if row.get('frame') is None else _get(row, 'frame', int, where)
                if name in listed and frame in listed[name].boxes:
                    raise InputError(f'{where}: {name} is listed twice')
                corners = [parse_numbers(box, 4, f'{where}: boxes[{i}]', finite=True) for i, box in enumerate(boxes)]
                scores, size = row.get('scores'), row.get('size')
                if scores is not None:
                    scores = parse_numbers(scores, len(boxes), f'{where}: scores', finite=True).astype(np.float32)
                entry = listed.setdefault(name, Listed())
                entry.boxes[frame] = np.array(corners, np.float32).reshape(-1, 4)
                if scores is not None:
                    entry.scores[frame] = scores
                entry.size = entry.size or (read_size(*size) if isinstance(size, list) and len(size) == 2 else None)
    return listed, _say_left_out(bad, sum(len(entry.boxes) for entry in listed.values()))


@contextmanager
def _collect(problems: list[str]) -> Iterator[None]:
    """Keep the message of an InputError instead of ending."""
    try:
        yield
    except InputError as problem:
        problems.append(str(problem))


def _say_left_out(bad: list[str], good: int) -> list[str]:
    """Return a note on rows that cannot be read. InputError if they are most."""
    if len(bad) > good:
        raise InputError(bad[0] if len(bad) == 1 else f'{bad[0]}; {len(bad):,} rows are like this, {good:,} are not')
    return [f'{len(bad):,} rows left out: {bad[0]}'] if bad else []


def _get(row: Any, key: str, kind: type, where: str, default: Any = None) -> Any:
    """Return a value of an object; an `int` also from 1.0 or '1', `object` is a number or a string."""
    value = row.get(key) if isinstance(row, dict) else None
    value = default if value is None else value
    if kind is int and isinstance(value, float | str):
        with suppress(ValueError, OverflowError):
            value = int(float(value)) if float(value).is_integer() else value
    kinds: Any = (int, float) if kind is float else (int, float, str) if kind is object else kind
    if not isinstance(value, kinds) or isinstance(value, bool) or (isinstance(value, float) and not np.isfinite(value)):
        raise InputError(f'{where}: expected an object with {key}, {_NOUNS[kind]}; got {short_text(repr(row))}')
    return value


_NOUNS = {str: 'a string', int: 'an integer', float: 'a finite number', list: 'a list', object: 'a number or a string'}
