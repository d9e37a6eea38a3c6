"""Read COCO keypoint files, as CVAT, Roboflow, Label Studio and others export them."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ...errors import InputError
from ..annotations import SPLITS, Annotations, Instance, Labels, Photo
from .field_checks import check_names, choose_category, parse_numbers

_SPLIT_WORDS = {
    'train': 'train',
    'training': 'train',
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'test': 'test',
}


def find_files(folder: Path) -> dict[Path, str | None]:
    """Find the COCO files of a folder, and the split that each belongs to by its name or its folder's.

    Raises:
        ValueError: there are no files, or only some names tell a split.
    """
    patterns = ('*.json', 'annotations/*.json', '*/_annotations.coco.json')
    splits = {
        file: find_split(file) for file in sorted({file for pattern in patterns for file in folder.glob(pattern)})
    }
    if not splits:
        raise InputError(f'{folder}: expected COCO files ({", ".join(patterns)})')
    if len(splits) > 1:
        unknown = [file.name for file, split in splits.items() if split is None]
        if unknown:
            raise InputError(
                f'{folder}: the name of {unknown[0]} does not tell whether it is train, val or test; name one file'
            )
        repeated = [split for split in SPLITS if list(splits.values()).count(split) > 1]
        if repeated:
            names = ', '.join(file.name for file in splits)
            raise InputError(f'{folder}: several files of the split {repeated[0]}: {names}')
    return splits


def find_split(file: Path) -> str | None:
    """Return the split that a file's name tells, or else its folder's."""
    for name in (file.stem, file.parent.name):
        words = ''.join(c if c.isalpha() else ' ' for c in name.lower()).split()
        splits = {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}
        if splits:
            return splits.pop() if len(splits) == 1 else None
    return None


def read_coco(files: dict[Path, str | None], images: Path | None, category: str | None) -> Annotations:
    """Read COCO keypoint files of one dataset.

    Args:
        files: each with its split, if known.
        images: folder of the images, by default the file's; subfolders are found by split and by file name.
        category: name of the category to read; by default all, if they have the same keypoints.

    Raises:
        ValueError: a file is not a COCO keypoint file, or has errors; the message says where.
    """
    contents = {file: _load(file) for file in files}
    categories: dict[str, Labels | None] = {}
    for file, content in contents.items():
        for name, labels in _annotated_categories(file, content).items():
            if name in categories and categories[name] != labels:
                raise InputError(f'{file}: category {name!r} has different keypoints in {next(iter(files))}')
            categories[name] = labels
    notes = [f'COCO file {file}' + (f': split {split}' if split else '') for file, split in files.items()]
    first = next(iter(categories.values()))
    if category is None and first is not None and all(labels == first for labels in categories.values()):
        chosen = list(categories)
        if len(chosen) > 1:
            notes.append(f'{len(chosen)} categories with the same keypoints become one: {", ".join(chosen)}')
    else:
        chosen = [choose_category(list(categories), category)]
    labels = categories[chosen[0]]
    if labels is None:
        length = len(next(row['keypoints'] for content in contents.values() for row in _rows_of(content, chosen)))
        labels = Labels([f'keypoint_{i}' for i in range(length // 3)])
        notes.append(f'the category {chosen[0]!r} has no keypoint names: they are numbered')
    photos = []
    for file, content in contents.items():
        photos += _read_photos(file, content, files[file], images, chosen, len(labels.names), notes)
    return Annotations(labels, photos, chosen[0] if len(chosen) == 1 else 'instance', notes)


def find_category_names(files: Sequence[Path]) -> list[str]:
    """Return the names of all categories with annotated keypoints."""
    return list(dict.fromkeys(name for file in files for name in _annotated_categories(file, _load(file))))


def _load(file: Path) -> dict:
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as problem:
        raise InputError(f'{file}: not a JSON file: {problem}') from problem
    lists = ('images', 'annotations', 'categories')
    if not isinstance(content, dict) or not all(isinstance(content.get(name), list) for name in lists):
        raise InputError(f'{file}: expected a COCO keypoint file, an object with lists of {", ".join(lists)}')
    for name in lists:
        for i, row in enumerate(content[name]):
            if not isinstance(row, dict):
                raise InputError(f'{file}: {name}[{i}]: expected an object, got {row!r}')
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
        where = f'{file}: categories[{i}]'
        name = row.get('name')
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
        raise InputError(f'{file}: annotations of category {sorted(map(repr, unknown))[0]}, which is not in categories')
    return categories


def _links(skeleton: object, count: int, where: str) -> list[tuple[int, int]]:
    """Read a skeleton; COCO counts keypoints from 1, the result from 0."""
    links = []
    for pair in skeleton if isinstance(skeleton, list) else [skeleton]:
        ends = parse_numbers(pair, 2, f'{where}: skeleton').astype(int) - 1
        if not ((ends >= 0) & (ends < count)).all():
            raise InputError(f'{where}: skeleton {pair}: expected keypoints from 1 to {count}')
        links.append((int(ends[0]), int(ends[1])))
    return links


def _rows_of(content: dict, categories: list[str]) -> list[dict]:
    """Return the annotations of some categories that have keypoints."""
    ids = {row['id'] for row in content['categories'] if row.get('name') in categories}
    return [row for row in content['annotations'] if row.get('category_id') in ids and row.get('keypoints')]


def _read_photos(
    file: Path, content: dict, split: str | None, images: Path | None, chosen: list[str], count: int, notes: list[str]
) -> list[Photo]:
    ids = {row['id'] for row in content['categories'] if row.get('name') in chosen}
    photos: dict[Any, Photo] = {}
    names: set[str] = set()
    folder = _find_folder(file, images, split, content['images'])
    for i, row in enumerate(content['images']):
        name, where = row.get('file_name'), f'{file}: images[{i}]'
        if not isinstance(name, str) or not name or 'id' not in row:
            raise InputError(f'{where}: expected id and file_name, got {row!r}')
        if name in names or row['id'] in photos:
            raise InputError(f'{where}: file_name {name!r} or id {row["id"]!r} occurs twice')
        names.add(name)
        photos[row['id']] = Photo(folder / PurePosixPath(name), name, split=split)
    empty = crowds = 0
    for i, row in enumerate(content['annotations']):
        where = f'{file}: annotations[{i}]'
        if row.get('category_id') not in ids:
            continue
        if row.get('image_id') not in photos:
            raise InputError(f'{where}: image_id {row.get("image_id")!r} is not among the images')
        if row.get('iscrowd') or not row.get('keypoints'):
            crowds += bool(row.get('iscrowd'))
            empty += not row.get('iscrowd')
            continue
        keypoints = parse_numbers(row['keypoints'], 3 * count, f'{where}: keypoints').reshape(count, 3)
        missing = (keypoints[:, 2] <= 0) | np.isnan(keypoints).all(1)  # v = 0, or NaN for x and y
        box = tuple(parse_numbers(row['bbox'], 4, f'{where}: bbox').tolist()) if row.get('bbox') else None
        photos[row['image_id']].instances.append(Instance(np.where(missing[:, None], 0.0, keypoints), where, box))
    for number, noun in ((empty, 'annotations without keypoints'), (crowds, 'crowds')):
        if number:
            notes.append(f'{file}: {number} {noun} left out')
    return list(photos.values())


def _find_folder(file: Path, images: Path | None, split: str | None, rows: list[dict]) -> Path:
    """Return the folder that has most of the first images."""
    tops = [images] if images else [file.parent, file.parent.parent]
    below = ('.', 'images', file.stem, *([split, f'images/{split}'] if split else []))
    folders = [top / name for top in tops for name in below]
    names = [row['file_name'] for row in rows[:20] if isinstance(row.get('file_name'), str)]
    return max(folders, key=lambda folder: sum((folder / name).is_file() for name in names))  # the first of equals
