"""Read COCO keypoint files, as CVAT, Roboflow, Label Studio and others export them."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..errors import InputError
from .annotations import SPLITS, Annotations, Instance, Labels, Photo, check_names, choose, numbers

_WORDS = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val', 'validation': 'val', 'test': 'test'}


def find_files(folder: Path) -> dict[Path, str | None]:
    """Find the COCO files of a folder and the split that the name of each, or of its folder, tells.

    Raises:
        ValueError: there is none, or only some names tell a split.
    """
    files = sorted(
        {*folder.glob('*.json'), *folder.glob('annotations/*.json'), *folder.glob('*/_annotations.coco.json')}
    )
    found = {file: split_of(file) for file in files}
    if not found:
        raise InputError(f'{folder}: expected COCO files (*.json, annotations/*.json, */_annotations.coco.json)')
    if len(found) > 1:
        unknown = [file.name for file, split in found.items() if split is None]
        if unknown:
            raise InputError(
                f'{folder}: the name of {unknown[0]} does not tell whether it is train, val or test; name one file'
            )
        twice = [split for split in SPLITS if list(found.values()).count(split) > 1]
        if twice:
            raise InputError(f'{folder}: several files of the split {twice[0]}: {", ".join(f.name for f in found)}')
    return found


def split_of(file: Path) -> str | None:
    """Return the split that a file's name tells, or else its folder's."""
    for name in (file.stem, file.parent.name):
        found = {_WORDS[word] for word in _split_words(name) if word in _WORDS}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _split_words(text: str) -> list[str]:
    return ''.join(c if c.isalpha() else ' ' for c in text.lower()).split()


def read_coco(files: dict[Path, str | None], images: Path | None, category: str | None) -> Annotations:
    """Read COCO keypoint files of one dataset.

    Args:
        files: and the split of each, if known.
        images: folder of the images; None: where the file is. Folders below it are found by split and by file name.
        category: name of the category to read; None for all, if they have the same keypoints.

    Raises:
        ValueError: a file is not of this kind, or has errors; the message says where.
    """
    contents = {file: _load(file) for file in files}
    categories: dict[str, Labels | None] = {}
    for file, content in contents.items():
        for name, labels in _annotated_categories(file, content).items():
            if name in categories and categories[name] != labels:
                raise InputError(f'{file}: category {name!r} has other keypoints than in {next(iter(files))}')
            categories[name] = labels
    notes = [f'COCO file {file}' + (f': split {split}' if split else '') for file, split in files.items()]
    first = next(iter(categories.values()))
    if category is None and first is not None and all(labels == first for labels in categories.values()):
        chosen = list(categories)
        if len(chosen) > 1:
            notes.append(f'{len(chosen)} categories with the same keypoints become one: {", ".join(chosen)}')
    else:
        chosen = [choose(list(categories), category)]
    labels = categories[chosen[0]]
    if labels is None:
        labels = Labels([f'keypoint_{i}' for i in range(_length(contents, chosen[0]) // 3)])
        notes.append(f'the category {chosen[0]!r} has no keypoint names: they are numbered')
    photos = []
    for file, content in contents.items():
        photos += _read_photos(file, content, files[file], images, chosen, len(labels.names), notes)
    return Annotations(labels, photos, chosen[0] if len(chosen) == 1 else 'instance', notes)


def category_names(files: Sequence[Path]) -> list[str]:
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
    found: dict[str, Labels | None] = {}
    for i, row in enumerate(content['categories']):
        if row.get('id') not in used:
            continue
        where = f'{file}: categories[{i}]'
        name = row.get('name')
        if not isinstance(name, str) or not name:
            raise InputError(f'{where}: expected a name, got {name!r}')
        if name in found:
            raise InputError(f'{where}: category name {name!r} occurs twice')
        found[name] = None
        if row.get('keypoints'):
            names = check_names(row['keypoints'], where)
            found[name] = Labels(names, _links(row.get('skeleton') or [], len(names), where))
    unknown = used - {row.get('id') for row in content['categories']}
    if unknown:
        raise InputError(f'{file}: annotations of category {sorted(map(repr, unknown))[0]}, which is not in categories')
    return found


def _links(skeleton: object, count: int, where: str) -> list[tuple[int, int]]:
    """Indices from 0; COCO's count from 1."""
    links = []
    for pair in skeleton if isinstance(skeleton, list) else [skeleton]:
        ends = numbers(pair, 2, f'{where}: skeleton').astype(int) - 1
        if not ((ends >= 0) & (ends < count)).all():
            raise InputError(f'{where}: skeleton {pair}: expected keypoints from 1 to {count}')
        links.append((int(ends[0]), int(ends[1])))
    return links


def _length(contents: dict[Path, dict], category: str) -> int:
    """Length of the keypoint lists of a category without names, from its first instance."""
    for content in contents.values():
        ids = {row['id'] for row in content['categories'] if row.get('name') == category}
        for row in content['annotations']:
            if row.get('category_id') in ids and row.get('keypoints'):
                return len(row['keypoints'])
    return 0


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
        keypoints = numbers(row['keypoints'], 3 * count, f'{where}: keypoints').reshape(count, 3)
        box = tuple(numbers(row['bbox'], 4, f'{where}: bbox').tolist()) if row.get('bbox') else None
        photos[row['image_id']].instances.append(Instance(clean(keypoints), where, box))
    for number, noun in ((empty, 'annotations without keypoints'), (crowds, 'crowds')):
        if number:
            notes.append(f'{file}: {number} {noun} left out')
    return list(photos.values())


def _find_folder(file: Path, images: Path | None, split: str | None, rows: list[dict]) -> Path:
    """Return the folder in which the first images are."""
    tops = [images] if images else [file.parent, file.parent.parent]
    below = ('.', 'images', file.stem, *([split, f'images/{split}'] if split else []))
    folders = [top / name for top in tops for name in below]
    names = [row['file_name'] for row in rows[:20] if isinstance(row.get('file_name'), str)]
    return max(folders, key=lambda folder: sum((folder / name).is_file() for name in names))  # the first of equals


def clean(keypoints: np.ndarray) -> np.ndarray:
    """Set keypoints that are not labelled to 0 0 0: v = 0, or NaN for x and y."""
    missing = (keypoints[:, 2] <= 0) | np.isnan(keypoints).all(1)
    return np.where(missing[:, None], 0.0, keypoints)
