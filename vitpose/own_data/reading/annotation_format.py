"""Recognize the format of annotations and read them."""

from pathlib import Path

from ...errors import InputError, MissingFileError
from ..annotations import Annotations
from .coco_file import find_category_names, find_files, read_coco
from .deeplabcut_project import read_deeplabcut
from .yolo_folder import read_yolo

EACH = 'each'
EXPECTED = (
    'a COCO keypoint file or a folder of them, a YOLO-pose folder (data.yaml), or a DeepLabCut project '
    '(labeled-data/*/CollectedData_*)'
)


def read_annotations(path: Path, images: Path | None = None, category: str | None = None) -> list[Annotations]:
    """Read a file or folder of any known format.

    The images are in the folder `images`, by default where the format has them. If there are several categories, one is
    chosen, or 'each' returns one dataset per category. FileNotFoundError if there is no such file or folder, ValueError
    if the format is unknown, or the annotations have errors; the message says where.
    """
    if not path.exists():
        raise MissingFileError(f'{path}: no such file or folder; expected {EXPECTED}')
    if images is not None and not images.is_dir():
        raise MissingFileError(f'--images {images}: no such folder')
    yaml_file = next((path / name for name in ('data.yaml', 'dataset.yaml') if (path / name).is_file()), None)
    if path.suffix in ('.yaml', '.yml') or yaml_file:
        datasets = [read_yolo(yaml_file or path, category)]
    elif path.suffix in ('.csv', '.h5') or (path / 'labeled-data').is_dir():
        datasets = [read_deeplabcut(path, images)]
    elif path.suffix == '.json' or path.is_dir():
        files: dict[Path, str | None] = find_files(path) if path.is_dir() else {path: None}  # None: not split yet
        names = find_category_names(files) if category == EACH else [category]
        datasets = [read_coco(files, images, name) for name in names]
    else:
        raise InputError(f'{path}: expected {EXPECTED}')
    for annotations in datasets:
        if len(annotations.unreadable) > annotations.count:
            most = f'{len(annotations.unreadable):,} rows cannot be read, and {annotations.count:,} instances can'
            raise InputError(f'{path}: {most}: {annotations.unreadable[0]}')
        if not annotations.count:
            raise InputError(f'{path}: no {annotations.category!r} has a labeled keypoint')
        paths = [photo.path for photo in annotations.photos]
        if not any(image.exists() for image in paths):
            shown = ', '.join(map(str, paths[:3]))
            remedy = f'check --images {images}' if images else 'pass the folder of the images with --images DIR'
            raise InputError(f'{path}: none of its {len(paths):,} images exists; looked for {shown}, ...; {remedy}')
    return datasets
