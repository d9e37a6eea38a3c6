"""Recognize the format of annotations and read them."""

import os
import re
from pathlib import Path

from ...errors import InputError, MissingFileError
from ..annotations import Annotations, Photo
from .coco_file import find_category_names, read_coco
from .deeplabcut_project import read_deeplabcut
from .field_checks import EACH
from .labelme_folder import is_labelme, read_labelme
from .sleap_project import read_sleap
from .yolo_folder import read_yolo

_SPLIT_WORD = re.compile(r'(?<![^\W\d_])(train|val|test)(?:ing|id|idation)?(?![^\W\d_])')
EXPECTED = 'a COCO keypoint file or a folder of them, a YOLO-pose folder (data.yaml), a DeepLabCut project '
EXPECTED += '(labeled-data/*/CollectedData_*), a SLEAP project (.slp), or a folder of labelme files'


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
    if path.name == 'config.yaml' and (path.parent / 'labeled-data').is_dir():  # what DeepLabCut's functions take
        path = path.parent
    suffix = path.suffix.lower()
    yaml_file = next((path / name for name in ('data.yaml', 'dataset.yaml') if (path / name).is_file()), None)
    if not yaml_file and path.is_dir():
        described = sorted(file for file in path.glob('*.y*ml') if file.is_file() and b'kpt_shape' in file.read_bytes())
        if len(described) > 1:
            raise InputError(f'{path}: {", ".join(file.name for file in described)} have kpt_shape: name one file')
        yaml_file = next(iter(described), None)
    tool = ''  # whose annotations have no categories
    if suffix in ('.yaml', '.yml') or yaml_file:
        datasets = [read_yolo(yaml_file or path, category, images)]
    elif suffix in ('.csv', '.h5') or (path / 'labeled-data').is_dir():
        datasets, tool = [read_deeplabcut(path, images)], 'DeepLabCut'
    elif suffix == '.slp':
        datasets, tool = [read_sleap(path, images)], 'SLEAP'
    elif is_labelme(path):
        datasets, tool = [read_labelme(path, images)], 'labelme'
    elif suffix == '.json' or path.is_dir():
        files: dict[Path, str | None] = find_files(path) if path.is_dir() else {path: None}  # None: not split yet
        names = find_category_names(files) if category == EACH else [category]
        datasets = [read_coco(files, images, name) for name in names]
    else:
        raise InputError(f'{path}: expected {EXPECTED}')
    if tool and category is not None:
        raise InputError(f'--category {category}: annotations of {tool} have no categories: leave the option out')
    for annotations in datasets:
        _join_photos(annotations)
        if len(annotations.unreadable) > annotations.count:
            most = f'{len(annotations.unreadable):,} rows cannot be read, and {annotations.count:,} instances can'
            raise InputError(f'{path}: {most}: {annotations.unreadable[0]}')
        if not annotations.count:
            raise InputError(f'{path}: no {annotations.category!r} has a labeled keypoint')
        paths = [photo.path for photo in annotations.photos]
        if not any(map(os.path.exists, paths)):
            shown = ', '.join(map(str, paths[:3]))
            remedy = f'check --images {images}' if images else 'pass the folder of the images with --images DIR'
            raise InputError(f'{path}: none of its {len(paths):,} images exists; looked for {shown}, ...; {remedy}')
    return datasets


def _join_photos(annotations: Annotations) -> None:
    """Make one photo of those of a file and split, so that labels which are there twice are found.

    Labels for another size of the image are left out.
    """
    photos: dict[tuple, Photo] = {}
    repeated = 0
    for photo in annotations.photos:
        first = photos.setdefault((os.path.abspath(photo.path), photo.split), photo)
        if first is photo:
            continue
        if first.size and photo.size and first.size != photo.size:
            sizes = ' and '.join(f'{w:g}x{h:g}' for w, h in (first.size, photo.size))
            reason = f'{photo.path} is annotated in two sizes, {sizes}: only the first is read'
            annotations.unreadable += [f'{instance.where}: {reason}' for instance in photo.instances]
        else:
            first.instances += photo.instances
            first.size = first.size or photo.size
            repeated += 1
    if repeated:
        annotations.notes.append(f'{repeated:,} images are listed twice: their annotations are joined')
    annotations.photos = [*photos.values()]


def find_files(folder: Path) -> dict[Path, str | None]:
    """Find the COCO files of a folder, one per split, and the split by their names or their folders'."""
    patterns = ('*.json', 'annotations/*.json', '*/_annotations.coco.json')
    files = sorted({file for pattern in patterns for file in folder.glob(f'{pattern[:-4]}[jJ][sS][oO][nN]')})
    splits = {file: find_split(file) for file in files if file.name[0] != '.'}  # macOS puts hidden ones beside others
    if not splits:
        place, tables = folder.resolve(), sorted(folder.glob('CollectedData*'))
        if project := next((p.parent for p in (place, place.parent) if p.name == 'labeled-data'), None):
            raise InputError(f"{folder} is in a DeepLabCut project: pass the project's folder {project}")
        if tables:
            raise InputError(f'{folder} has a table of DeepLabCut without a project: pass the table {tables[0]}')
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
