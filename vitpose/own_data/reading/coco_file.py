"""Read COCO keypoint files, as CVAT, Roboflow, Label Studio and others export them."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ...errors import InputError
from ...predict.inputs.coco_json import match_ids, parse_json, parse_numbers
from ..annotations import Annotations, Instance, Labels, Photo
from .field_checks import check_names, choose_category, number_names

_SPLIT_WORD = re.compile(r'(?<![^\W\d_])(train|val|test)(?:ing|id|idation)?(?![^\W\d_])')


def find_files(folder: Path) -> dict[Path, str | None]:
    """Find the COCO files of a folder, one per split, and the split by their names or their folders'."""
    patterns = ('*.json', 'annotations/*.json', '*/_annotations.coco.json')
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    splits = {file: find_split(file) for file in files}
    if not splits:
        raise InputError(f'{folder}: expected COCO files ({", ".join(patterns)})')
    for file, split in splits.items() if len(splits) > 1 else ():
        if split is None:
            remedy = 'does not tell whether it is train, val or test; name one file'
            raise InputError(f'{folder}: the name of {file.name} {remedy}')
        if list(splits.values()).count(split) > 1:
            raise InputError(f'{folder}: several files of the split {split}: {", ".join(file.name for file in splits)}')
    return splits


def find_split(file: Path) -> str | None:
    """Return the split that a file's name tells, or else its folder's."""
    for name in (file.stem, file.parent.name):
        if splits := set(_SPLIT_WORD.findall(name.lower())):
            return splits.pop() if len(splits) == 1 else None
    return None


def read_coco(files: dict[Path, str | None], images: Path | None, category: str | None) -> Annotations:
    """Read the COCO keypoint files of one dataset, given with their splits, if known.

    Images are in the folder `images`, by default the file's, or in one below it that is named after split or file. By
    default all categories are read, if they have the same keypoints. ValueError if a file is not a COCO keypoint file,
    or has errors; the message says where.
    """
    contents = {file: _load(file) for file in files}
    categories: dict[str, Labels | None] = {}
    for file, content in contents.items():
        for name, labels in _annotated_categories(file, content).items():
            if categories.setdefault(name, labels) != labels:
                raise InputError(f'{file}: category {name!r} has different keypoints in {next(iter(files))}')
    notes = [f'COCO file {file}' + (f': split {split}' if split else '') for file, split in files.items()]
    chosen, labels = list(categories), next(iter(categories.values()))
    if category is not None or labels is None or any(other != labels for other in categories.values()):
        chosen = [choose_category(chosen, category)]
        labels = categories[chosen[0]]
    elif len(chosen) > 1:
        notes.append(f'{len(chosen)} categories with the same keypoints become one: {", ".join(chosen)}')
    rows = {file: _annotations_of(content, chosen) for file, content in contents.items()}
    if labels is None:
        length = next(len(row['keypoints']) for kept in rows.values() for row in kept.values() if row.get('keypoints'))
        labels = Labels(number_names(length // 3))
        notes.append(f'the category {chosen[0]!r} has no keypoint names: they are numbered')
    photos: list[Photo] = []
    for file, content in contents.items():
        by_id = _read_photos(file, content['images'], files[file], images)
        _add_instances(file, rows[file], by_id, len(labels.names), notes)
        photos += by_id.values()
    return Annotations(labels, photos, chosen[0] if len(chosen) == 1 else 'instance', notes)


def find_category_names(files: Iterable[Path]) -> list[str]:
    """Return the names of all categories with annotated keypoints."""
    return list(dict.fromkeys(name for file in files for name in _annotated_categories(file, _load(file))))


def _load(file: Path) -> dict:
    content = parse_json(file.read_bytes(), f'{file}: not a JSON file')
    lists = ('images', 'annotations', 'categories')
    if not isinstance(content, dict) or not all(isinstance(content.get(name), list) for name in lists):
        raise InputError(f'{file}: expected a COCO keypoint file, an object with lists of {", ".join(lists)}')
    for place, row in ((f'{name}[{i}]', row) for name in lists for i, row in enumerate(content[name])):
        if not isinstance(row, dict):
            raise InputError(f'{file}: {place}: expected an object, got {row!r}')
    return content


def _annotated_categories(file: Path, content: dict) -> dict[str, Labels | None]:
    """Return the categories with annotated keypoints, and their labels if the file has them."""
    used = {row.get('category_id') for row in content['annotations'] if row.get('keypoints')}
    if not used:
        kinds = [kind for kind in ('segmentation', 'bbox') if any(row.get(kind) for row in content['annotations'])]
        has = f' (it has {" and ".join(kinds)})' if kinds else ''
        raise InputError(f'{file}: no annotation has keypoints{has}; export the annotations as COCO keypoints')
    categories: dict[str, Labels | None] = {}
    for i, row in enumerate(content['categories']):
        if row.get('id') not in used:
            continue
        name, where = row.get('name'), f'{file}: categories[{i}]'
        if not isinstance(name, str) or not name:
            raise InputError(f'{where}: expected a name, got {name!r}')
        if name in categories:
            raise InputError(f'{where}: category name {name!r} occurs twice')
        categories[name] = None
        if row.get('keypoints'):
            names = check_names(row['keypoints'], where)
            categories[name] = Labels(names, _links(row.get('skeleton') or [], len(names), where))
    unknown = used - {row.get('id') for row in content['categories']}
    if unknown:
        raise InputError(f'{file}: annotations of category {min(map(repr, unknown))}, which is not in categories')
    return categories


def _links(skeleton: object, count: int, where: str) -> list[tuple[int, int]]:
    """Read a skeleton; COCO counts keypoints from 1, the result from 0."""
    links = []
    for pair in skeleton if isinstance(skeleton, list) else [skeleton]:
        a, b = (int(end) for end in parse_numbers(pair, 2, f'{where}: skeleton').astype(int) - 1)
        if not (0 <= a < count and 0 <= b < count):
            raise InputError(f'{where}: skeleton {pair}: expected keypoints from 1 to {count}')
        links.append((a, b))
    return links


def _annotations_of(content: dict, categories: list[str]) -> dict[int, dict]:
    """Return the annotations of some categories, by their place in the file."""
    ids = {row['id'] for row in content['categories'] if row.get('name') in categories}
    return {i: row for i, row in enumerate(content['annotations']) if row.get('category_id') in ids}


def _read_photos(file: Path, rows: list[dict], split: str | None, images: Path | None) -> dict[Any, Photo]:
    """Return the images of a file by id, without instances."""
    photos: dict[Any, Photo] = {}
    names: set[str] = set()
    folder = _find_folder(file, images, split, rows)
    for i, row in enumerate(rows):
        name, where = row.get('file_name'), f'{file}: images[{i}]'
        if not isinstance(name, str) or not name or 'id' not in row:
            raise InputError(f'{where}: expected id and file_name, got {row!r}')
        if name in names or row['id'] in photos:
            raise InputError(f'{where}: file_name {name!r} or id {row["id"]!r} occurs twice')
        names.add(name)
        photos[row['id']] = Photo(folder / PurePosixPath(name), name, split=split)
    return photos


def _add_instances(file: Path, rows: dict[int, dict], photos: dict[Any, Photo], count: int, notes: list[str]) -> None:
    left_out: Counter[str] = Counter()
    names = {key: photo.name for key, photo in photos.items()}
    found = match_ids(names, [row.get('image_id') for row in rows.values()])
    for i, row in rows.items():
        where = f'{file}: annotations[{i}]'
        if row.get('image_id') not in found:
            raise InputError(f'{where}: image_id {row.get("image_id")!r} is not among the images')
        if row.get('iscrowd') or not row.get('keypoints'):
            left_out['crowds' if row.get('iscrowd') else 'annotations without keypoints'] += 1
            continue
        keypoints = parse_numbers(row['keypoints'], 3 * count, f'{where}: keypoints').reshape(count, 3)
        missing = (keypoints[:, 2] <= 0) | np.isnan(keypoints).all(1)  # v = 0, or NaN for x and y
        box = tuple(parse_numbers(row['bbox'], 4, f'{where}: bbox').tolist()) if row.get('bbox') else None
        instance = Instance(np.where(missing[:, None], 0.0, keypoints), where, box)
        photos[found[row['image_id']]].instances.append(instance)
    notes += [f'{file}: {number} {noun} left out' for noun, number in left_out.items()]


def _find_folder(file: Path, images: Path | None, split: str | None, rows: list[dict]) -> Path:
    """Return the folder that has most of the first images."""
    tops = [images] if images else [file.parent, file.parent.parent]
    below = ('.', 'images', file.stem, *([split, f'images/{split}'] if split else []))
    folders = [top / name for top in tops for name in below]
    names = [row['file_name'] for row in rows[:20] if isinstance(row.get('file_name'), str)]
    return max(folders, key=lambda folder: sum((folder / name).is_file() for name in names))  # the first of equals
