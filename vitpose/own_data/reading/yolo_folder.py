"""Read YOLO-pose folders of Ultralytics: data.yaml, images/ and labels/."""

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.file_names import FileFinder, list_files, path_parts
from vitpose_base.image_files import upright_size

from ...errors import InputError
from ...predict.inputs.coco_json import parse_numbers
from ...predict.inputs.sources import IMAGES
from ..annotations import SPLITS, Annotations, Instance, Labels, Photo
from .field_checks import check_names, choose_category, find_image, number_names

MAX_OVERSHOOT = 0.01  # of the image, by which values may lie outside it: they are clipped
Pair = tuple[Path, Path]  # an image and its label file


def read_yolo(file: Path, category: str | None, images: Path | None = None) -> Annotations:
    """Read the instances of a class, by default the only one, of a YOLO-pose dataset.

    Its data.yaml has kpt_shape, train and val (folders, or .txt files with paths), and names; optional: path, test,
    flip_idx, kpt_names. The images of a .txt file are below the folder `images`, by default beside it. Bad label rows
    and ambiguous paths are left out. ValueError if it does not describe a YOLO-pose dataset.
    """
    import yaml

    try:
        data: Any = yaml.safe_load(file.read_text(encoding='utf-8-sig'))
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise InputError(f'{file}: not a YAML file: {" ".join(str(problem).split())}') from problem
    if not isinstance(data, dict):
        raise InputError(f'{file}: expected a YAML object with kpt_shape, train, val and names')
    data = {str(key).lower(): value for key, value in data.items()}
    data.setdefault('val', data.get('valid', data.get('validation')))
    shape = data.get('kpt_shape')
    if not isinstance(shape, list) or len(shape) != 2 or shape[1] not in (2, 3) or not isinstance(shape[0], int):
        raise InputError(f'{file}: kpt_shape {shape!r}: expected [K, 2] or [K, 3]; is it a YOLO-pose dataset?')
    names = data.get('names')
    classes = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(classes, dict) or not classes or not all(str(number).isdecimal() for number in classes):
        raise InputError(f'{file}: names {names!r}: expected the names of the classes, by number')
    classes = {int(number): str(name) for number, name in classes.items()}
    notes, unreadable, bad_rows, clipped = list[str](), list[str](), list[str](), list[str]()
    splits = _find_splits(file, data, images, notes, unreadable)
    label_files = dict.fromkeys(label for _, label in chain(*splits.values()))
    rows = {label: _read_rows(label, shape, classes, bad_rows, clipped) for label in label_files}
    used = sorted({int(values[0]) for label_rows in rows.values() for _, values in label_rows})
    if not used and bad_rows:
        raise InputError(f'{file}: none of its {len(bad_rows):,} labels can be read: {bad_rows[0]}')
    if not used:
        looked = ', '.join(map(str, [*rows][:3]))
        raise InputError(f'{file}: none of its {len(rows):,} images has a label; looked for {looked}, ...')
    chosen = choose_category([classes[number] for number in used], category)
    notes += [f'YOLO-pose: {len(pairs):,} images in {split}' for split, pairs in splits.items()]
    unlabeled = sum(not label.exists() for label in rows)
    if unlabeled:
        notes.append(f'{unlabeled:,} images have no label file: no instances')
    if clipped:
        notes.append(f'{len(clipped):,} rows have values just outside 0 to 1, which are clipped: {clipped[0]}')
    number = next(number for number in used if classes[number] == chosen)
    labels = _read_labels(file, data, (str(number), chosen), shape[0], notes)
    photos = []
    for split, (image, label) in ((split, pair) for split, pairs in splits.items() for pair in pairs):
        of_class = [row for row in rows[label] if classes[int(row[1][0])] == chosen]
        photos.append(_read_photo(image, of_class, split, shape))
    return Annotations(labels, photos, chosen, notes, unreadable + bad_rows)


def _read_labels(file: Path, data: dict, category: Sequence[str], count: int, notes: list[str]) -> Labels:
    """Read the names and pairs of keypoints of a category, given by its number and name."""
    names = data.get('kpt_names')
    if names and isinstance(names, dict):
        named = {str(key): value for key, value in names.items()}
        if all(isinstance(name, str) for name in named.values()):
            names = [named.get(str(i)) for i in range(count)]
        else:  # by class
            names = named.get(category[0]) or named.get(category[1])
    if not names:
        names = number_names(count)
        notes.append(f'{file} has no keypoint names (kpt_names) of {category[1]!r}: they are numbered')
    names = check_names(names, f'{file}: kpt_names')
    if len(names) != count:
        raise InputError(f'{file}: {len(names)} kpt_names, but kpt_shape says {count} keypoints')
    flip, mirror = data.get('flip_idx') or None, None  # Ultralytics takes [] for none, too
    with suppress(InputError, IndexError):
        order = parse_numbers(flip, count, 'flip_idx', finite=True).tolist()
        mirror = [*map(int, order)] if [order[int(i)] for i in order] == [*range(count)] else None
    if flip and mirror is None:
        expected = f'expected each number from 0 to {count - 1} once, in pairs that point to each other'
        notes.append(f'{file}: flip_idx {flip!r}: {expected}: it is ignored')
    return Labels(names, mirror=mirror, flip=data.get('flip_idx') != [])


def _find_splits(
    file: Path, data: dict, images: Path | None, notes: list[str], unreadable: list[str]
) -> dict[str, list[Pair]]:
    """Find the images of each split; one that would have several label files is left out."""
    top = file.parent / str(data.get('path') or '.').replace('\\', '/')
    top = top if top.is_dir() else file.parent  # Ultralytics also looks for `path` in its folder of datasets
    splits = dict[str, list[Pair]]()
    for split in SPLITS:
        try:
            pairs = _find_images(file, top, data.get(split) or [], images, notes, unreadable)
        except InputError as problem:
            if split != 'test':  # which Roboflow names even if there is none
                raise
            notes.append(f'test is left out: {problem}')
            continue
        if pairs != splits.get('train'):  # the same images: they are split later
            splits[split] = pairs
    for lines in (notes, unreadable):  # two splits may be the same list
        lines[:] = dict.fromkeys(lines)
    labels_of = defaultdict[Path, set[str]](set)
    for image, label in chain(*splits.values()):
        labels_of[image].add(str(label))
    for image, labels in labels_of.items():
        if len(labels) > 1:
            unreadable.append(f'{file}: {image} would be the image of {" and ".join(sorted(labels))}')
    known = {split: [pair for pair in pairs if len(labels_of[pair[0]]) == 1] for split, pairs in splits.items()}
    if not any(known.values()):
        expected = 'expected a folder with images, or a .txt file with paths'
        raise InputError(unreadable[0] if unreadable else f'{file}: train {data.get("train")!r}: {expected}')
    return {split: pairs for split, pairs in known.items() if pairs}


def _find_images(
    file: Path, top: Path, entry: Any, images: Path | None, notes: list[str], unreadable: list[str]
) -> list[Pair]:
    """Find the images of a folder, of a .txt file with paths, or of a list of those, and the label file of each."""
    if isinstance(entry, list):
        return [pair for item in entry for pair in _find_images(file, top, item, images, notes, unreadable)]
    name = str(entry).replace('\\', '/')
    parts = path_parts(name)  # Roboflow writes ../train/images, others the paths of their machine
    is_bare = len(parts) > 1 and parts[-1] in ('images', 'labels')  # which may be the folder of all splits
    count = len(parts) - (is_bare and not any(path.suffix.lower() in IMAGES for path in (top / parts[-1]).glob('*')))
    ends = (folder.joinpath(*parts[i:]) for i in range(count) for folder in (top, file.parent))
    path = next((path for path in (top / name, *ends) if path.exists()), top / name)
    if path.is_file() and path.suffix == '.txt':
        return _read_list(path, top, images, unreadable)
    option = f'--images {images} is for the paths of a .txt file'
    if not path.is_dir():
        remedy = f'; {option}: copy the images to this folder' if images else ''
        raise InputError(f'{file}: looked for images in {path}, which is neither a folder nor a .txt file{remedy}')
    notes += [f'{option}: the images are those in {path}'] if images else []
    found = sorted(image for image in list_files(path) if image.suffix.lower() in IMAGES)
    return [(image, find_label_file(image)) for image in found]


def _read_list(path: Path, top: Path, images: Path | None, unreadable: list[str]) -> list[Pair]:
    """Find the images of a .txt file, a path per line, and label files: of moved images by path, or beside them."""
    finder, pairs = FileFinder(path.parent, [] if images else [top], images), list[Pair]()
    for number, line in enumerate(map(str.strip, path.read_text('utf-8-sig', 'replace').splitlines()), 1):
        where, parts = f'{path}, line {number}', path_parts(line)
        if not parts:
            unreadable += [f'{where}: expected the path of an image, got {line!r}'] if line else []
            continue
        try:
            image = find_image(finder, line, where)
        except InputError as problem:
            unreadable.append(str(problem))
            continue
        is_there = images is None and os.path.isfile(image)
        places = [image] if is_there else [*(top.joinpath(*parts[i:]) for i in range(len(parts))), image]
        labels = [*map(find_label_file, places)]
        pairs.append((image, next((label for label in labels if label.exists()), labels[0])))
    return pairs


def find_label_file(image: Path) -> Path:
    """Return the label file of an image: the last folder `images` in its path becomes `labels`, or else beside it."""
    folder = next((folder for folder in image.parents if folder.name == 'images'), None)
    moved = folder.with_name('labels') / image.relative_to(folder) if folder else image
    beside, moved = image.with_suffix('.txt'), moved.with_suffix('.txt')
    return beside if beside.exists() and not moved.exists() else moved


def _read_rows(
    file: Path, shape: list[int], classes: dict[int, str], unreadable: list[str], clipped: list[str]
) -> list[tuple[str, np.ndarray]]:
    """Return the place of each good row of a label file, and its class, box and keypoints, normalized."""
    rows = []
    lines = file.read_text('utf-8-sig', 'replace').splitlines() if file.exists() else []
    for where, line in ((f'{file}, line {number}', line) for number, line in enumerate(lines, 1) if line.strip()):
        try:
            parts = f'{where}: class, box, {shape[0]} keypoints of {shape[1]}'
            values = parse_numbers(line.split(), 5 + shape[0] * shape[1], parts, finite=True)
            if values[0] not in classes:
                raise InputError(f'{where}: class {line.split()[0]}, which is not among names: {classes}')
            clipped += [where] if _clip_fractions(values, shape, where) else []
            rows.append((where, values))
        except InputError as problem:
            unreadable.append(str(problem))
    return rows


def _clip_fractions(values: np.ndarray, shape: list[int], where: str) -> bool:
    """Clip the box and keypoints of a row to 0 to 1, if they are near, and answer whether that changes any.

    Keypoints that are not labeled become 0.
    """
    points, clipped = values[5:].reshape(shape), False  # a view
    points[points[:, 2] <= 0 if shape[1] == 3 else (points <= 0).all(1)] = 0
    for fractions in (values[1:5], points[:, :2]):
        wrong = fractions[(fractions < -MAX_OVERSHOOT) | (fractions > 1 + MAX_OVERSHOOT)]
        if len(wrong):
            expected = 'expected values from 0 to 1, as fractions of the image size, not pixels'
            raise InputError(f'{where}: {wrong[0]:g}: {expected}')
        clipped |= bool(((fractions < 0) | (fractions > 1)).any())
        fractions.clip(0, 1, out=fractions)
    return clipped


def _read_photo(image: Path, rows: list[tuple[str, np.ndarray]], split: str, shape: list[int]) -> Photo:
    size = (1, 1)  # if Pillow cannot tell: the check of the image finds the reason
    with suppress(Exception):  # of any kind, as its DecompressionBombError
        size = upright_size(image) if rows else size
    photo = Photo(image, str(image), split=split, size=size, is_relative=True)
    for where, row in rows:
        x, y, w, h = row[1:5] * np.array(size * 2)
        keypoints = np.full((shape[0], 3), 2.0)
        keypoints[:, : shape[1]] = row[5:].reshape(shape)
        if shape[1] == 2:
            keypoints[:, 2] = 2.0 * (keypoints[:, :2] > 0).any(1)
        keypoints[:, :2] = np.minimum(keypoints[:, :2] * size, np.array(size) - 0.5)
        photo.instances.append(Instance(keypoints, where, (x - w / 2, y - h / 2, w, h)))
    return photo
