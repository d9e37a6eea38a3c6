"""Boxes of people from a file: a COCO annotation file, COCO detections or JSON lines."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from .box_checks import short_text
from .matching import GivenBoxes, Listed
from .sources import Source


def read_boxes(path: Path, sources: Sequence[Source], images_json: Path | None = None) -> GivenBoxes:
    """Read boxes and match them to the sources.

    Args:
        path: one of three formats. A COCO annotation file: its `images` and `annotations`; `bbox` is x y width height;
            crowds are left out, and boxes are clipped to the image, as MMPose's datasets do. COCO detections, a list of
            {image_id, bbox, score}: also x y width height; needs `images_json`. JSON lines (suffix .jsonl), one
            {"file": NAME, "boxes": [[x1, y1, x2, y2], ...]} per line with `"scores": [...]` if there are any, and
            `"frame": INDEX` for the frames of a video; the predictions.jsonl of `vitpose predict` is such a file. If
            COCO's categories contain 'person', boxes of other categories are left out.
        sources: what is to be predicted; ValueError if none matches, or the file is not in one of these formats.
        images_json: COCO file with the `images` that detections refer to; only for detections.
    """
    lines = path.suffix.lower() == '.jsonl'
    data = None if lines else _parse(path.read_bytes(), f'{path}: not a JSON file')
    if images_json and not isinstance(data, list):
        raise InputError(f'--images-json {images_json}: only for a list of COCO detections, not {path}')
    if lines:
        return GivenBoxes(path, _read_lines(path), sources)
    if isinstance(data, dict):
        return GivenBoxes(path, _read_coco(path, data, path, data.get('annotations'), 'annotations'), sources)
    if not isinstance(data, list):
        raise InputError(f'{path}: expected a COCO annotation file, a list of COCO detections, or *.jsonl')
    if images_json is None:
        raise InputError(f'{path}: a list of detections has image ids only; pass --images-json, with their file names')
    images = _parse(images_json.read_bytes(), f'{images_json}: not a JSON file')
    if not isinstance(images, dict):
        raise InputError(f'{images_json}: expected a JSON object with images, got {type(images).__name__}')
    return GivenBoxes(path, _read_coco(images_json, images, path, data, 'detections'), sources)


def _parse(text: bytes, problem_text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise InputError(f'{problem_text}: {problem}') from problem


def _read_coco(images_path: Path, head: Mapping, path: Path, rows: object, noun: str) -> dict[str, Listed]:
    """Read images from one file and boxes from another or the same."""
    images, categories = head.get('images'), head.get('categories') or []
    if not isinstance(images, list) or not isinstance(rows, list):
        raise InputError(f'{path}: expected a COCO file with lists of images and {noun}')
    if not isinstance(categories, list) or not all(isinstance(c, dict) for c in categories):
        raise InputError(f'{images_path}: expected a list of objects as categories, got {short_text(repr(categories))}')
    people = [_get(c, 'id', int, f'{images_path}: categories') for c in categories if c.get('name') == 'person']
    listed: dict[str, Listed] = {}
    sizes: dict[int, list[int]] = {}
    people_of: dict[int, list] = {}  # (box, category, score) of an image's people, by its id
    for number, image in enumerate(images):
        where = f'{images_path}: images[{number}]'
        name, key = _get(image, 'file_name', str, where), _get(image, 'id', int, where)
        if name in listed or key in people_of:
            raise InputError(f'{where}: file_name {name!r} or id {key} occurs twice')
        listed[name], people_of[key] = Listed(image_id=key), []
        size = [image.get('width'), image.get('height')]
        if noun == 'annotations' and all(isinstance(side, int) for side in size):
            sizes[key] = size
    for number, row in enumerate(rows):
        where = f'{path}: {noun}[{number}]'
        key = _get(row, 'image_id', int, where)
        if key not in people_of:
            raise InputError(f'{where}: image_id {key} is not among the images of {images_path}')
        kind = row.get('category_id', people[0] if people else 1)
        if row.get('iscrowd') or (people and kind not in people):
            continue
        if not isinstance(kind, int) or isinstance(kind, bool):
            raise InputError(f'{where}: category_id {short_text(repr(kind))}: expected an integer')
        x, y, width, height = _numbers(row.get('bbox'), 4, f'{where}: bbox')
        score = _get(row, 'score', float, where) if noun == 'detections' else None
        people_of[key].append(((x, y, x + width, y + height), kind, score))
    for (key, kept), entry in zip(people_of.items(), listed.values(), strict=True):
        entry.boxes[None] = np.array([box for box, _, _ in kept], np.float32).reshape(-1, 4)
        entry.categories = np.array([kind for _, kind, _ in kept], np.int64)
        if key in sizes:
            entry.boxes[None] = np.clip(entry.boxes[None], 0, np.array(sizes[key] * 2, np.float32) - 1)
        if noun == 'detections':
            entry.scores[None] = np.array([score for _, _, score in kept], np.float32)
    return listed


def _read_lines(path: Path) -> dict[str, Listed]:
    listed: dict[str, Listed] = {}
    with path.open('rb') as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f'{path}, line {number}'
            row = _parse(line, f'{where}: not JSON')
            name = _get(row, 'file', str, where)
            frame = None if row.get('frame') is None else _get(row, 'frame', int, where)
            boxes = _get(row, 'boxes', list, where)
            entry = listed.setdefault(name, Listed())
            if frame in entry.boxes:
                raise InputError(f'{where}: {name} is listed twice' + (f' with frame {frame}' if frame else ''))
            corners = [_numbers(box, 4, f'{where}: boxes[{i}]') for i, box in enumerate(boxes)]
            entry.boxes[frame] = np.array(corners, np.float32).reshape(-1, 4)
            if row.get('scores') is not None:
                entry.scores[frame] = np.array(_numbers(row['scores'], len(boxes), f'{where}: scores'), np.float32)
    return listed


def _get(row: Any, key: str, kind: type, where: str) -> Any:
    value = row.get(key) if isinstance(row, dict) else None
    kinds = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise InputError(f'{where}: expected an object with {key}, {_NOUNS[kind]}; got {short_text(repr(row))}')
    return value


_NOUNS = {str: 'a string', int: 'an integer', float: 'a number', list: 'a list'}


def _numbers(value: object, count: int, where: str) -> list[float]:
    if isinstance(value, list) and len(value) == count and not any(isinstance(v, str | bool) for v in value):
        with suppress(TypeError, OverflowError):
            return [float(v) for v in value]
    raise InputError(f'{where}: expected a list of {count} numbers, got {short_text(repr(value))}')
