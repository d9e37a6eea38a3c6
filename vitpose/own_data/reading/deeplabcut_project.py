"""Read DeepLabCut projects, and the single csv of Lightning Pose."""

from pathlib import Path, PurePosixPath

import numpy as np

from ...errors import InputError
from ..annotations import Annotations, Instance, Labels, Photo
from .field_checks import check_names

TO_CSV = 'pandas.read_hdf(FILE).to_csv(FILE.replace("h5", "csv"))'
H5_ADVICE = f'Its .h5 can run code when it is read; if you trust it: {TO_CSV}'


def read_deeplabcut(path: Path, images: Path | None = None) -> Annotations:
    """Read a project of one animal: its folder, with config.yaml and labeled-data/*/CollectedData_*.csv, or one csv.

    Lightning Pose has one csv. The .h5 next to a csv has the same content, but may hold pickled code: it is not read.
    Image names are relative to the folder `images`, by default the project. ValueError if there are no such files, or
    they have errors; the message says where.
    """
    files = _find_files(path) if path.is_dir() else [path]
    project = next((p for p in (path, *path.parents) if (p / 'labeled-data').is_dir()), path.parent)
    tables = [_read_table(file) for file in files]
    names = check_names(tables[0][0], str(files[0]))
    photos: dict[str, Photo] = {}
    for file, (bodyparts, frames) in zip(files, tables, strict=True):
        if bodyparts != names:
            raise InputError(f'{file}: bodyparts {bodyparts}, but {files[0]} has {names}')
        for number, (name, keypoints) in enumerate(frames):
            if name in photos:
                raise InputError(f'{file}: image {name} occurs twice')
            where = f'{file}, image {number + 1} ({name})'
            instances = [Instance(keypoints, where)] if keypoints[:, 2].any() else []
            relative = PurePosixPath(name)
            places = ((images or project) / relative, file.parent / relative.name)
            image = next((place for place in places if place.exists()), places[0])
            photos[name] = Photo(image, name, instances, video=relative.parent.name or file.parent.name)
    notes = [f'DeepLabCut: {len(files)} files, {len(photos):,} frames']
    empty = sum(not photo.instances for photo in photos.values())
    if empty:
        notes.append(f'{empty:,} frames have no labeled body part: no instances')
    links = _read_skeleton(project / 'config.yaml', names, notes)
    return Annotations(Labels(names, links), list(photos.values()), 'animal', notes)


def _find_files(project: Path) -> list[Path]:
    """Return one file per video."""
    tables = sorted(project.glob('labeled-data/*/CollectedData_*.csv'))
    folders = [file.parent for file in sorted(project.glob('labeled-data/*/CollectedData_*.h5'))]
    bare = [folder for folder in folders if not any(folder.glob('CollectedData_*.csv'))]
    if bare:
        raise InputError(f'{bare[0]}: a .h5 without the .csv that DeepLabCut writes next to it. {H5_ADVICE}')
    if not tables:
        raise InputError(f'{project}: expected labeled-data/*/CollectedData_*.csv, as DeepLabCut writes them')
    return tables


def _read_table(file: Path) -> tuple[list[str], list[tuple[str, np.ndarray]]]:
    """Return the body parts, and for each frame its name and keypoints (K, 3)."""
    import pandas as pd

    if file.suffix == '.h5':
        raise InputError(f'{file}: pass the .csv next to it. {H5_ADVICE}')
    try:
        head = pd.read_csv(file, header=None, nrows=4, dtype=str)
        levels = int(head[0].isin(['scorer', 'individuals', 'bodyparts', 'coords']).sum())
        columns = int((head.iloc[levels - 1] == 'coords').sum() or 1)
        width = next((i for i, v in enumerate(head.iloc[levels - 1]) if v in ('x', 'y')), columns)
        table = pd.read_csv(file, header=list(range(levels)), index_col=list(range(width)))
    except (ValueError, OSError, LookupError) as problem:
        raise InputError(f'{file}: not a DeepLabCut table: {problem}') from problem
    if 'individuals' in table.columns.names:
        raise InputError(f'{file}: it annotates several animals; only single-animal projects can be read')
    if table.columns.nlevels != 3 or set(table.columns.get_level_values(-1)) != {'x', 'y'}:
        raise InputError(f'{file}: expected a table with the header rows scorer, bodyparts and coords (x, y)')
    names = list(dict.fromkeys(map(str, table.columns.get_level_values(1))))
    xy = table.to_numpy(float).reshape(len(table), len(names), 2)
    labeled = np.isfinite(xy).all(-1)
    keypoints = np.concatenate((np.where(labeled[..., None], xy, 0), 2.0 * labeled[..., None]), -1)
    rows = [index if isinstance(index, tuple) else (index,) for index in table.index]
    frames = ['/'.join(str(part).replace('\\', '/') for part in row) for row in rows]
    return names, list(zip(frames, keypoints, strict=True))


def _read_skeleton(config: Path, names: list[str], notes: list[str]) -> list[tuple[int, int]]:
    import yaml

    if not config.is_file():
        notes.append(f'no {config.name}: no skeleton')
        return []
    try:
        pairs = (yaml.safe_load(config.read_text(encoding='utf-8')) or {}).get('skeleton') or []
        links = [(names.index(a), names.index(b)) for a, b in pairs if a in names and b in names]
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as problem:
        raise InputError(f'{config}: skeleton: expected pairs of body parts: {problem}') from problem
    if len(links) < len(pairs):
        notes.append(f'{config}: {len(pairs) - len(links)} links of the skeleton name body parts that are not labeled')
    return links
