"""Read a folder of labelme's files, one per image, as labelme and X-AnyLabeling write them."""

from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.file_names import FileFinder

from ...errors import InputError
from ...predict.inputs.coco_json import parse_json
from ..annotations import Annotations, Instance, Labels, Photo
from .field_checks import check_names, find_image


def is_labelme(folder: Path) -> bool:
    """Answer whether one of the first .json files below a folder is labelme's."""
    return any(b'"shapes"' in file.read_bytes() for file in sorted(folder.rglob('*.json'))[:9])


def read_labelme(folder: Path, images: Path | None) -> Annotations:
    """Read points, whose labels are the keypoints' names: those of one group id are an instance, a rectangle its box.

    Images are below the folder `images`, by default `folder`. Bad files are left out. ValueError without any point.
    """
    finder, unreadable = FileFinder(images or folder), list[str]()
    photos: list[tuple[Path, Photo, list[dict]]] = []
    for file in sorted(folder.rglob('*.json')):
        try:
            content: Any = parse_json(file.read_bytes(), f'{file}: not a JSON file')
            rows = [s | dict(xy=np.array(s['points'], float).reshape(-1, 2)) for s in content['shapes'] if s['label']]
            size = (content['imageWidth'], content['imageHeight'])
            photo = Photo(find_image(finder, content['imagePath'], str(file)), file.stem, size=size)
            photos.append((file, photo, [row for row in rows if row['shape_type'] in ('point', 'rectangle')]))
        except InputError as problem:
            unreadable.append(str(problem))
        except (KeyError, TypeError, ValueError) as problem:
            unreadable.append(f'{file}: expected shapes with label and points, imagePath and its size: {problem!r}')
    titles = {kind: dict[str, None]() for kind in ('point', 'rectangle')}
    for shape in (shape for _, _, rows in photos for shape in rows):
        titles[shape['shape_type']][shape['label']] = None
    names = check_names([*titles['point']], f'{folder}: labels of points')
    for file, photo, rows in photos:
        for group in dict.fromkeys(shape.get('group_id') for shape in rows):
            shapes = [shape for shape in rows if shape.get('group_id') == group]
            keypoints, where = np.zeros((len(names), 3)), f'{file}, group {group}'
            points = [shape for shape in shapes if shape['shape_type'] == 'point']
            boxes = [(*s['xy'].min(0), *np.ptp(s['xy'], 0)) for s in shapes if s['shape_type'] == 'rectangle']
            for shape in points:
                keypoints[names.index(shape['label'])] = (*shape['xy'][0], 1 if shape.get('difficult') else 2)
            if len(points) > (keypoints[:, 2] > 0).sum():
                unreadable.append(f'{where}: a label occurs twice: each instance needs a group id of its own')
            elif points:
                photo.instances.append(Instance(keypoints, where, boxes[0] if len(boxes) == 1 else None))
    category = next(iter(titles['rectangle'])) if len(titles['rectangle']) == 1 else 'instance'
    notes = [f'labelme: {len(photos):,} files']
    return Annotations(Labels(names), [photo for _, photo, _ in photos], category, notes, unreadable)
