"""Read YOLO-pose folders of Ultralytics: data.yaml, images/ and labels/."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .annotations import SPLITS, Annotations, Instance, Labels, Photo, check_names, choose

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


def read_yolo(file: Path, category: str | None) -> Annotations:
    """Read a YOLO-pose dataset.

    Args:
        file: its data.yaml: kpt_shape, train and val (folders, or .txt files with paths), names; optional: path, test,
            flip_idx, kpt_names.
        category: name of the class to read; None if there is one.

    Raises:
        ValueError: the file is not of this kind, or a label has errors; the message says where.
    """
    data = _load(file)
    shape = data.get('kpt_shape')
    if not isinstance(shape, list) or len(shape) != 2 or shape[1] not in (2, 3) or not isinstance(shape[0], int):
        raise InputError(f'{file}: kpt_shape {shape!r}: expected [K, 2] or [K, 3]; is it a YOLO-pose dataset?')
    names = data.get('names')
    classes = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(classes, dict) or not classes or not all(str(number).isdecimal() for number in classes):
        raise InputError(f'{file}: names {names!r}: expected the names of the classes, by number')
    classes = {int(number): str(name) for number, name in classes.items()}
    top = Path(data.get('path') or '.')
    top = top if top.is_absolute() else file.parent / top
    if not top.is_dir():
        top = file.parent  # Ultralytics looks for `path` in its own folder of datasets, too
    images = {
        split: [image for each in _list(data[split]) for image in _find_images(file, top, each)]
        for split in SPLITS
        if data.get(split)
    }
    images = {split: found for split, found in images.items() if found}
    rows = {image: _read_rows(label_file(image), shape) for found in images.values() for image in found}
    used = sorted({int(row[0]) for each in rows.values() for _, row in each})
    unknown = [number for number in used if number not in classes]
    if unknown:
        raise InputError(f'{file}: labels of class {unknown[0]}, which is not among names: {classes}')
    chosen = choose([classes[number] for number in used], category)
    notes = [f'YOLO-pose: {len(found):,} images in {split}' for split, found in images.items()]
    without = sum(not label_file(image).exists() for image in rows)
    if without:
        notes.append(f'{without:,} images have no label file: no instances')
    photos = [
        _read_photo(image, [row for row in rows[image] if classes[int(row[1][0])] == chosen], split, shape)
        for split, found in images.items()
        for image in found
    ]
    return Annotations(_labels(file, data, shape[0], chosen, notes), photos, chosen, notes)


def _load(file: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(file.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise InputError(f'{file}: not a YAML file: {" ".join(str(problem).split())}') from problem
    if not isinstance(data, dict):
        raise InputError(f'{file}: expected a YAML object with kpt_shape, train, val and names')
    return data


def _list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _labels(file: Path, data: dict, count: int, category: str, notes: list[str]) -> Labels:
    names = data.get('kpt_names')
    if isinstance(names, dict):  # by class
        names = next(iter(names.values()), None)
    if names is None:
        names = [f'keypoint_{i}' for i in range(count)]
        notes.append(f'{file} has no keypoint names (kpt_names): they are numbered')
    names = check_names(names, f'{file}: kpt_names')
    if len(names) != count:
        raise InputError(f'{file}: {len(names)} kpt_names, but kpt_shape says {count} keypoints')
    mirror = data.get('flip_idx')
    if mirror is not None and (not isinstance(mirror, list) or sorted(mirror) != list(range(count))):
        raise InputError(f'{file}: flip_idx {mirror!r}: expected each number from 0 to {count - 1} once')
    return Labels(names, mirror=mirror)


def _find_images(file: Path, top: Path, entry: Any) -> list[Path]:
    path = top / str(entry)
    if not path.exists() and (file.parent / str(entry).lstrip('./')).exists():
        path = file.parent / str(entry).lstrip('./')  # Roboflow writes ../train/images
    if path.is_file() and path.suffix == '.txt':
        lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
        return [path.parent / line for line in lines if line]
    if not path.is_dir():
        raise InputError(f'{file}: looked for images in {path}, which is neither a folder nor a .txt file')
    return sorted(image for image in path.rglob('*') if image.suffix.lower() in SUFFIXES)


def label_file(image: Path) -> Path:
    """Return where YOLO keeps the labels of an image: the last folder `images` becomes `labels`."""
    parts = list(image.parts)
    for i in reversed(range(len(parts) - 1)):
        if parts[i] == 'images':
            parts[i] = 'labels'
            break
    return Path(*parts).with_suffix('.txt')


def _read_rows(file: Path, shape: list[int]) -> list[tuple[str, np.ndarray]]:
    """Return the lines of a label file: where, and class, box and keypoints, normalised."""
    rows = []
    if file.exists():
        for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), 1):
            if line.strip():
                rows.append((where := f'{file}, line {number}', _parse(line, 5 + shape[0] * shape[1], where, shape)))
    return rows


def _parse(line: str, length: int, where: str, shape: list[int]) -> np.ndarray:
    try:
        values = np.array(line.split(), float)
    except ValueError:
        values = np.zeros(0)
    if len(values) != length:
        raise InputError(
            f'{where}: expected {length} numbers (class, box, {shape[0]} keypoints of {shape[1]}), '
            f'got {len(line.split())}'
        )
    points = values[5:].reshape(shape)
    normalised = np.concatenate((values[1:5], points[:, :2].ravel()))
    if not (np.isfinite(normalised).all() and (normalised >= 0).all() and (normalised <= 1).all()):
        bad = normalised[~((normalised >= 0) & (normalised <= 1))][0]
        raise InputError(f'{where}: {bad:g}: expected values from 0 to 1, in parts of the image, not pixels')
    return values


def _read_photo(image: Path, rows: list[tuple[str, np.ndarray]], split: str, shape: list[int]) -> Photo:
    photo = Photo(image, str(image), split=split)
    if not rows:
        return photo
    width, height = image_size(image)
    for where, row in rows:
        x, y, w, h = row[1:5] * (width, height, width, height)
        keypoints = np.full((shape[0], 3), 2.0)
        keypoints[:, : shape[1]] = row[5:].reshape(shape)
        if shape[1] == 2:  # 0 0 is not labelled
            keypoints[:, 2] = 2.0 * (keypoints[:, :2] > 0).any(1)
        keypoints[:, :2] *= (width, height)
        keypoints[keypoints[:, 2] <= 0] = 0
        photo.instances.append(Instance(keypoints, where, (x - w / 2, y - h / 2, w, h)))
    return photo


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height in pixels of the upright image, from its header.

    Raises:
        ValueError: it is missing or not an image.
    """
    from PIL import Image

    from vitpose_base.image_files import exif_orientation

    try:
        with Image.open(path) as image:
            turned = exif_orientation(image) >= 5
            return image.size[::-1] if turned else image.size
    except (OSError, ValueError, SyntaxError) as problem:
        raise InputError(f'{path}: not an image: {problem}') from problem
