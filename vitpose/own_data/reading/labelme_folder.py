"""Read files of labelme, one per image, as labelme and X-AnyLabeling write them."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.file_names import FileFinder, list_files

from ...errors import InputError
from ...predict.inputs.coco_json import parse_json, read_size
from ..annotations import Annotations, Instance, Labels, Photo
from .field_checks import find_image


def is_labelme(path: Path) -> bool:
    """Answer whether a .json file, or one of those below a folder, is labelme's."""
    return any(re.search(rb'"shapes"\s*:', file.read_bytes()) for file in _find_files(path))


def read_labelme(path: Path, images: Path | None) -> Annotations:
    """Read points, whose labels are the keypoints' names: those of one group id are an instance, a rectangle its box.

    `path` is a file or a folder; images are below the folder `images`, by default beside their file or below `path`.
    Bad files are left out. ValueError without any point.
    """
    finder, unreadable = FileFinder(path if path.is_dir() else path.parent, asked=images), list[str]()
    photos: list[tuple[Path, Photo, list[dict]]] = []
    for file in _find_files(path):
        try:
            content: Any = parse_json(file.read_bytes(), f'{file}: not a JSON file')
            size = read_size(content.get('imageWidth'), content.get('imageHeight'))
            name = content['imagePath']
            is_beside = images is None and os.path.isfile(file.parent / name)
            image = file.parent / name if is_beside else find_image(finder, name, str(file))
            shapes = [shape for shape in map(_read_shape, content['shapes']) if shape['label']]
            photos.append((file, Photo(image, str(image), size=size), shapes))
        except InputError as problem:
            unreadable.append(str(problem))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as problem:
            unreadable.append(f'{file}: expected shapes with label and points, and imagePath: {problem!r}')
    titles: dict[str, Counter[str]] = {}
    for shape in (shape for _, _, rows in photos for shape in rows):
        titles.setdefault(shape['shape_type'], Counter())[shape['label']] += 1
    if 'point' not in titles:
        got = ', '.join(f'{counts.total():,} of type {kind}' for kind, counts in titles.items()) or 'none'
        raise InputError('; '.join([f'{path}: expected shapes of type point, got {got}', *unreadable[:1]]))
    names, boxed = [*titles['point']], [*titles.get('rectangle', ())]
    for file, photo, rows in photos:
        for group in dict.fromkeys(shape['group_id'] for shape in rows):
            shapes = [shape for shape in rows if shape['group_id'] == group]
            keypoints, where = np.zeros((len(names), 3)), f'{file}, group {group}'
            points = [shape for shape in shapes if shape['shape_type'] == 'point']
            boxes = [(*s['xy'].min(0), *np.ptp(s['xy'], 0)) for s in shapes if s['shape_type'] == 'rectangle']
            for shape in points:
                keypoints[names.index(shape['label'])] = (*shape['xy'][0], 1 if shape.get('difficult') else 2)
            if len(points) > (keypoints[:, 2] > 0).sum():
                unreadable.append(f'{where}: a label occurs twice: each instance needs a group id of its own')
            elif points:
                photo.instances.append(Instance(keypoints, where, boxes[0] if len(boxes) == 1 else None))
    notes, spellings = [f'labelme: {len(photos):,} files'], Counter(map(str.casefold, names))
    if alike := [name for name in names if spellings[name.casefold()] > 1]:
        notes.append(f'labels that differ only in case are different keypoints: {", ".join(alike)}')
    category = boxed[0] if len(boxed) == 1 else 'instance'
    return Annotations(Labels(names), [photo for _, photo, _ in photos], category, notes, unreadable)


def _find_files(path: Path) -> list[Path]:
    files = sorted(list_files(path)) if path.is_dir() else [path]
    return [file for file in files if file.suffix.lower() == '.json' and file.is_file()]


def _read_shape(shape: dict) -> dict:
    """Return a shape with its points as `xy` (N, 2), and a label ('' if it has none), type and group id as strings."""
    for key in ('label', 'group_id'):
        if not isinstance(shape.get(key), str | int | float | None):
            raise TypeError(f'{key} {shape[key]!r}')
    xy = np.array(shape['points'], float).reshape(-1, 2)
    kind = shape.get('shape_type') or ('point' if len(xy) == 1 else 'polygon')  # old files have no type
    if len(xy) < dict(point=1, rectangle=2).get(kind, 0):
        raise ValueError(f'{kind} {shape["label"]!r} has {len(xy)} points')
    label = '' if shape['label'] is None else str(shape['label']).strip()
    return shape | dict(xy=xy, label=label, shape_type=kind, group_id=str(shape.get('group_id')))
