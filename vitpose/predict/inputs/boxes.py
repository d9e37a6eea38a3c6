"""Boxes of people from a file: a COCO annotation file, COCO detections or JSON lines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from .box_checks import short_text
from .coco_json import box_around, match_ids, parse_finite, parse_json, parse_numbers
from .matching import GivenBoxes, Listed, name_few
from .sources import Source

PERSON = 'person'


def read_boxes(
    path: Path,
    sources: Sequence[Source],
    images_json: Path | None = None,
    category: str | None = None,
    scale: bool = False,
) -> GivenBoxes:
    """Read boxes and match them to the sources.

    Args:
        path: one of three formats. A COCO annotation file: its `images` and `annotations`; `bbox` is x y width height,
            by default around the labeled keypoints; crowds are left out, and boxes are clipped to the image, as in
            MMPose's datasets. COCO detections, a list of {image_id, bbox, score}: bbox as before; needs `images_json`.
            JSON lines (suffix .jsonl), one {"file": NAME, "boxes": [[x1, y1, x2, y2], ...]} per line with
            `"scores": [...]` and `"size": [width, height]` if there are any, and `"frame": INDEX` for the frames of a
            video; the predictions.jsonl of `vitpose predict` is such a file.
        sources: what is to be predicted; ValueError if none matches, or the file is not in one of these formats.
        images_json: COCO file with the `images` that detections refer to; only for detections.
        category: name or id of COCO's category whose boxes are taken; by default 'person', or without such all.
        scale: scale boxes that were made for a smaller or larger copy of an image; otherwise they are a ValueError.
    """
    lines = path.suffix.lower() == '.jsonl'
    data = None if lines else parse_json(path.read_bytes(), f'{path}: not a JSON file')
    if images_json and not isinstance(data, list):
        raise InputError(f'--images-json {images_json}: only for a list of COCO detections, not {path}')
    if lines:
        if category is not None:
            raise InputError(f'--category {category}: only for COCO files; {path} has no categories')
        return GivenBoxes(path, _read_lines(path), sources, scale)
    if isinstance(data, dict):
        listed, notes = _read_coco(path, data, path, data.get('annotations'), 'annotations', category)
        return GivenBoxes(path, listed, sources, scale, notes)
    if not isinstance(data, list):
        raise InputError(f'{path}: expected a COCO annotation file, a list of COCO detections, or *.jsonl')
    if images_json is None:
        raise InputError(f'{path}: a list of detections has image ids only; pass --images-json, with their file names')
    images = parse_json(images_json.read_bytes(), f'{images_json}: not a JSON file')
    if not isinstance(images, dict):
        raise InputError(f'{images_json}: expected a JSON object with images, got {type(images).__name__}')
    listed, notes = _read_coco(images_json, images, path, data, 'detections', category)
    return GivenBoxes(path, listed, sources, scale, notes)


def _read_coco(
    images_path: Path, head: Mapping, path: Path, rows: object, noun: str, category: str | None
) -> tuple[dict[str, Listed], list[str]]:
    """Read images from one file and boxes from another or the same; also return notes on what is left out."""
    images, categories = head.get('images'), head.get('categories') or []
    if not isinstance(images, list) or not isinstance(rows, list):
        raise InputError(f'{path}: expected a COCO file with lists of images and {noun}')
    if not isinstance(categories, list) or not all(isinstance(c, dict) for c in categories):
        raise InputError(f'{images_path}: expected a list of objects as categories, got {short_text(repr(categories))}')
    listed: dict[str, Listed] = {}
    names: dict[Any, str] = {}
    for number, image in enumerate(images):
        where = f'{images_path}: images[{number}]'
        name, key = _get(image, 'file_name', str, where), _get_id(image, 'id', where)
        if name in listed or key in names:
            raise InputError(f'{where}: file_name {name!r} or id {key!r} occurs twice')
        listed[name], names[key] = Listed(image_id=key, size=_size(image.get('width'), image.get('height'))), name
    places = [f'{path}: {noun}[{number}]' for number in range(len(rows))]
    keys = [_get_id(row, 'image_id', where) for row, where in zip(rows, places, strict=True)]
    found = match_ids(names, set(keys))
    kinds, notes = _choose_categories(path, categories, rows, places, category)
    people_of: dict[str, list] = {name: [] for name in listed}  # (box, category, score) of an image's people
    without_box = []
    for row, where, key, kind in zip(rows, places, keys, kinds, strict=True):
        if key not in found:
            raise InputError(f'{where}: image_id {key!r} is not among the images of {images_path}')
        if kind is None:
            continue
        score = _get(row, 'score', float, where) if noun == 'detections' else 1.0
        score = float(parse_finite([score], 1, f'{where}: score')[0])
        box = row.get('bbox') or _box_of_keypoints(row.get('keypoints'), where)
        if box is None:
            without_box.append(where.removeprefix(f'{path}: '))
            continue
        x, y, width, height = parse_finite(box, 4, f'{where}: bbox').tolist()
        people_of[names[found[key]]].append(((x, y, x + width, y + height), kind, score))
    for name, people in people_of.items():
        entry = listed[name]
        entry.boxes[None] = np.array([box for box, _, _ in people], np.float32).reshape(-1, 4)
        entry.categories = np.array([kind for _, kind, _ in people], np.int64)
        if noun == 'annotations' and entry.size:
            entry.boxes[None] = np.clip(entry.boxes[None], 0, np.array(entry.size * 2, np.float32) - 1)
        if noun == 'detections':
            entry.scores[None] = np.array([score for _, _, score in people], np.float32)
    if without_box:
        reason = 'left out: neither bbox nor labeled keypoints'
        notes.append(f'{path}: {len(without_box):,} {noun} {reason}: {name_few(without_box)}')
    return listed, notes


def _choose_categories(
    path: Path, categories: list[dict], rows: list[Any], places: list[str], chosen: str | None
) -> tuple[list[int | None], list[str]]:
    """Return the category id of each row, or None if it is left out; also notes on categories."""
    names = {_get_number(c.get('id'), f'{path}: categories: id'): str(c.get('name')) for c in categories}
    default = next((kind for kind, name in names.items() if name.lower() == PERSON), 1)
    kinds = [
        _get_number(default if row.get('category_id') is None else row['category_id'], f'{where}: category_id')
        for row, where in zip(rows, places, strict=True)
    ]
    used = {*names, *kinds}
    if chosen is None:
        wanted = {kind for kind, name in names.items() if name.lower() == PERSON} or used
    else:
        wanted = {kind for kind in used if chosen.lower() in (str(kind), names.get(kind, '').lower())}
    is_crowd = [bool(row.get('iscrowd')) for row in rows]
    counts = Counter(kind for kind, crowd in zip(kinds, is_crowd, strict=True) if not crowd)
    taken, left_out = ({k: n for k, n in counts.items() if (k in wanted) == kept} for kept in (True, False))

    def text(counted: Mapping[int, int]) -> str:
        ordered = sorted(counted.items(), key=lambda item: -item[1])
        return name_few([f'{n:,} {names.get(k, f"of category {k}")}' for k, n in ordered], 5)

    option = f'--category {chosen}' if chosen else f'category {PERSON}'
    if (chosen and not wanted) or (left_out and not taken):
        has = f'its boxes: {text(counts)}' if counts else f'its categories: {name_few([*names.values()], 5)}'
        raise InputError(f'{path}: no box is of {option}; {has}; choose with --category NAME')
    notes = [f'{path}: boxes of other categories left out: {text(left_out)}'] if left_out else []
    if len(taken) > 1 and chosen is None:
        notes.append(f'{path}: boxes of {len(taken)} categories: {text(taken)}; --category NAME chooses one')
    wanted_rows = zip(kinds, is_crowd, strict=True)
    return [None if crowd or kind not in wanted else kind for kind, crowd in wanted_rows], notes


def _box_of_keypoints(values: object, where: str) -> tuple[float, float, float, float] | None:
    if not isinstance(values, list) or not values:
        return None
    keypoints = parse_numbers(values, len(values) // 3 * 3, f'{where}: keypoints').reshape(-1, 3)
    keypoints = keypoints[np.isfinite(keypoints).all(1)]
    return box_around(keypoints) if (keypoints[:, 2] > 0).any() else None


def _read_lines(path: Path) -> dict[str, Listed]:
    listed: dict[str, Listed] = {}
    with path.open('rb') as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f'{path}, line {number}'
            row = parse_json(line, f'{where}: not JSON')
            name = _get(row, 'file', str, where)
            frame = None if row.get('frame') is None else _get(row, 'frame', int, where)
            if frame is not None and frame < 0:
                raise InputError(f'{where}: frame {frame}: expected an integer >= 0')
            boxes = _get(row, 'boxes', list, where)
            entry = listed.setdefault(name, Listed())
            if frame in entry.boxes:
                raise InputError(f'{where}: {name} is listed twice' + (f' with frame {frame}' if frame else ''))
            corners = [parse_finite(box, 4, f'{where}: boxes[{i}]') for i, box in enumerate(boxes)]
            entry.boxes[frame] = np.array(corners, np.float32).reshape(-1, 4)
            if row.get('scores') is not None:
                entry.scores[frame] = parse_finite(row['scores'], len(boxes), f'{where}: scores').astype(np.float32)
            size = row.get('size')
            entry.size = entry.size or (_size(*size) if isinstance(size, list) and len(size) == 2 else None)
    return listed


def _get(row: Any, key: str, kind: type, where: str) -> Any:
    value = row.get(key) if isinstance(row, dict) else None
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
        raise InputError(f'{where}: expected an object with {key}, {_NOUNS[kind]}; got {short_text(repr(row))}')
    return value


_NOUNS = {str: 'a string', int: 'an integer', float: 'a number', list: 'a list'}


def _get_id(row: Any, key: str, where: str) -> Any:
    """Return an id as it stands in the file: a number or a string."""
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, int | float | str) or isinstance(value, bool) or value != value:
        raise InputError(f'{where}: expected an object with {key}, a number or a string; got {short_text(repr(row))}')
    return value


def _get_number(value: Any, where: str) -> int:
    """Return the id of a category: an integer, also as 1.0 or '1'."""
    try:
        if not isinstance(value, bool) and float(value).is_integer():
            return int(float(value))
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f'{where} {short_text(repr(value))}: expected an integer')


def _size(width: object, height: object) -> tuple[float, float] | None:
    sides = [side for side in (width, height) if isinstance(side, int | float) and 0 < side < 2**31]
    return (sides[0], sides[1]) if len(sides) == 2 else None
