"""Read YOLO-pose folders of Ultralytics: data.yaml, images/ and labels/."""

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...predict.inputs.coco_json import parse_numbers
from ...predict.inputs.sources import IMAGES
from ..annotations import SPLITS, Annotations, Instance, Labels, Photo
from .field_checks import check_names, choose_category, number_names


def read_yolo(file: Path, category: str | None) -> Annotations:
    """Read the instances of a class, by default the only one, of a YOLO-pose dataset.

    Its data.yaml has kpt_shape, train and val (folders, or .txt files with paths), and names; optional: path, test,
    flip_idx, kpt_names. ValueError if it does not describe a YOLO-pose dataset, or a label has errors; the message says
    where.
    """
    import yaml

    try:
        data: Any = yaml.safe_load(file.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise InputError(f'{file}: not a YAML file: {" ".join(str(problem).split())}') from problem
    if not isinstance(data, dict):
        raise InputError(f'{file}: expected a YAML object with kpt_shape, train, val and names')
    shape = data.get('kpt_shape')
    if not isinstance(shape, list) or len(shape) != 2 or shape[1] not in (2, 3) or not isinstance(shape[0], int):
        raise InputError(f'{file}: kpt_shape {shape!r}: expected [K, 2] or [K, 3]; is it a YOLO-pose dataset?')
    names = data.get('names')
    classes = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(classes, dict) or not classes or not all(str(number).isdecimal() for number in classes):
        raise InputError(f'{file}: names {names!r}: expected the names of the classes, by number')
    classes = {int(number): str(name) for number, name in classes.items()}
    top = file.parent / (data.get('path') or '.')
    top = top if top.is_dir() else file.parent  # Ultralytics also looks for `path` in its folder of datasets
    images = {split: paths for split in SPLITS if (paths := _find_images(file, top, data.get(split) or []))}
    rows = {image: _read_rows(find_label_file(image), shape) for paths in images.values() for image in paths}
    used = sorted({int(values[0]) for image_rows in rows.values() for _, values in image_rows})
    unknown = [number for number in used if number not in classes]
    if unknown:
        raise InputError(f'{file}: labels of class {unknown[0]}, which is not among names: {classes}')
    chosen = choose_category([classes[number] for number in used], category)
    notes = [f'YOLO-pose: {len(paths):,} images in {split}' for split, paths in images.items()]
    unlabeled = sum(not find_label_file(image).exists() for image in rows)
    if unlabeled:
        notes.append(f'{unlabeled:,} images have no label file: no instances')
    photos = [
        _read_photo(image, [row for row in rows[image] if classes[int(row[1][0])] == chosen], split, shape)
        for split, paths in images.items()
        for image in paths
    ]
    return Annotations(_read_labels(file, data, shape[0], notes), photos, chosen, notes)


def _read_labels(file: Path, data: dict, count: int, notes: list[str]) -> Labels:
    names = data.get('kpt_names')
    if isinstance(names, dict):  # by class
        names = next(iter(names.values()), None)
    if names is None:
        names = number_names(count)
        notes.append(f'{file} has no keypoint names (kpt_names): they are numbered')
    names = check_names(names, f'{file}: kpt_names')
    if len(names) != count:
        raise InputError(f'{file}: {len(names)} kpt_names, but kpt_shape says {count} keypoints')
    mirror = data.get('flip_idx')
    if mirror is not None and (not isinstance(mirror, list) or sorted(mirror) != list(range(count))):
        raise InputError(f'{file}: flip_idx {mirror!r}: expected each number from 0 to {count - 1} once')
    return Labels(names, mirror=mirror)


def _find_images(file: Path, top: Path, entry: Any) -> list[Path]:
    """Find the images of a folder, of a .txt file with paths, or of a list of those."""
    if isinstance(entry, list):
        return [image for item in entry for image in _find_images(file, top, item)]
    path = top / str(entry)
    if not path.exists() and (file.parent / str(entry).lstrip('./')).exists():
        path = file.parent / str(entry).lstrip('./')  # Roboflow writes ../train/images
    if path.is_file() and path.suffix == '.txt':
        lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
        return [path.parent / line for line in lines if line]
    if not path.is_dir():
        raise InputError(f'{file}: looked for images in {path}, which is neither a folder nor a .txt file')
    return sorted(image for image in path.rglob('*') if image.suffix.lower() in IMAGES)


def find_label_file(image: Path) -> Path:
    """Return the label file of an image: the last folder `images` in its path becomes `labels`."""
    folder = next((folder for folder in image.parents if folder.name == 'images'), None)
    moved = folder.with_name('labels') / image.relative_to(folder) if folder else image
    return moved.with_suffix('.txt')


def _read_rows(file: Path, shape: list[int]) -> list[tuple[str, np.ndarray]]:
    """Return the place of each line of a label file, and its class, box and keypoints, normalized."""
    lines = file.read_text(encoding='utf-8').splitlines() if file.exists() else []
    rows = []
    for where, line in ((f'{file}, line {number}', line) for number, line in enumerate(lines, 1) if line.strip()):
        parts = f'{where}: class, box, {shape[0]} keypoints of {shape[1]}'
        values = parse_numbers(line.split(), 5 + shape[0] * shape[1], parts)
        fractions = np.concatenate((values[1:5], values[5:].reshape(shape)[:, :2].ravel()))
        wrong = fractions[~((fractions >= 0) & (fractions <= 1))]
        if len(wrong):
            expected = 'expected values from 0 to 1, as fractions of the image size, not pixels'
            raise InputError(f'{where}: {wrong[0]:g}: {expected}')
        rows.append((where, values))
    return rows


def _read_photo(image: Path, rows: list[tuple[str, np.ndarray]], split: str, shape: list[int]) -> Photo:
    photo = Photo(image, str(image), split=split)
    size = np.array(_read_image_size(image) if rows else (0, 0))
    for where, row in rows:
        x, y, w, h = row[1:5] * [*size, *size]
        keypoints = np.full((shape[0], 3), 2.0)
        keypoints[:, : shape[1]] = row[5:].reshape(shape)
        if shape[1] == 2:  # 0 0 is not labeled
            keypoints[:, 2] = 2.0 * (keypoints[:, :2] > 0).any(1)
        keypoints[:, :2] *= size
        keypoints[keypoints[:, 2] <= 0] = 0
        photo.instances.append(Instance(keypoints, where, (x - w / 2, y - h / 2, w, h)))
    return photo


def _read_image_size(path: Path) -> tuple[int, int]:
    from vitpose_base.image_files import upright_size

    try:
        return upright_size(path)
    except (OSError, ValueError, SyntaxError) as problem:
        raise InputError(f'{path}: not an image: {problem}') from problem
