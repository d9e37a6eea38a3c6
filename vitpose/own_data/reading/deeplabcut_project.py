"""Read DeepLabCut projects of one or several animals, and the single csv of Lightning Pose."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.file_names import FileFinder, path_parts

from ...errors import InputError, one_line
from ..annotations import Annotations, Instance, Labels, Photo
from .deeplabcut_h5 import LEVELS, read_h5
from .field_checks import find_image

COORDS = ('x', 'y', 'visible', 'likelihood')
MIN_LIKELIHOOD = 0.6  # of predictions that are read as labels: DeepLabCut's pcutoff
Table = tuple[dict[str, list[str]], list[tuple[str, Any]]]  # header rows; name and values per frame


def read_deeplabcut(path: Path, images: Path | None = None) -> Annotations:
    """Read a project: its folder, with config.yaml and labeled-data/*/CollectedData_*, or one table (.csv or .h5).

    An individual of a frame is an instance. Body parts are found by name; a table need not have all. Lightning Pose has
    one csv, perhaps with a column `visible`. Of a csv and the .h5 beside it, the csv is read. Image names are relative
    to the folder `images`, by default the project. ValueError if there are no such files; the message says where.
    """
    files = _find_files(path) if path.is_dir() else [path]
    project = next((p for p in (path, *path.parents) if (p / 'labeled-data').is_dir()), path.parent)
    tables = {file: _read_table(file) for file in files}
    names = list(dict.fromkeys(part for head, _ in tables.values() for part in head['bodyparts']))
    finder = FileFinder(images or project)
    notes, unreadable = [f'DeepLabCut: {len(files)} files'], list[str]()
    photos: dict[tuple[str, ...], Photo] = {}
    for file, (head, frames) in tables.items():
        absent = [name for name in names if name not in head['bodyparts']]
        notes += [f'{file}: without {", ".join(absent)}, which other tables have'] if absent else []
        for number, (name, values) in enumerate(frames):
            where, parts = f'{file}, image {number + 1} ({name})', path_parts(name)
            try:
                if parts in photos:
                    raise InputError(f'{where}: the image occurs twice')
                image, folder = file.parent / parts[-1], parts[-2] if len(parts) > 1 else file.parent.name
                if not image.is_file() or image.parent.name != folder:
                    image = find_image(finder, name, where)  # of the same folder: others have frames of the same name
                    image = image if image.parent.name == folder else finder.top / '/'.join(parts)
                video = None if folder in ('labeled-data', 'images', project.name) else folder
                instances = _read_instances(head, values, names, where)
                photos[parts] = Photo(image, '/'.join(parts), instances, video=video)
            except InputError as problem:
                unreadable.append(str(problem))
    empty = sum(not photo.instances for photo in photos.values())
    notes[0] += f', {len(photos):,} frames, {empty:,} of them without a labeled body part'
    links = _read_skeleton(project / 'config.yaml', names, notes)
    return Annotations(Labels(names, links), list(photos.values()), 'animal', notes, unreadable)


def _find_files(project: Path) -> list[Path]:
    """Return one file per video, or the tables of a Lightning Pose project."""
    found = sorted(project.glob('labeled-data/*/CollectedData_*.h5')) + sorted(project.glob('labeled-data/*/*_*.csv'))
    files = list({file.parent: file for file in found if file.name.startswith('CollectedData_')}.values())
    files = files or sorted(project.glob('CollectedData*.csv'))
    if not files:
        raise InputError(f'{project}: expected labeled-data/*/CollectedData_*.csv (or .h5), or CollectedData.csv')
    return sorted(files)


def _read_table(file: Path) -> Table:
    """Return the header rows by name, and each frame's name and values."""
    frames: list[tuple[str, Any]]
    if file.suffix == '.h5' and not file.with_suffix('.csv').is_file():
        head, frames = read_h5(file)
    else:
        try:
            text = file.with_suffix('.csv').read_text(encoding='utf-8-sig')
        except UnicodeDecodeError as problem:
            raise InputError(f'{file}: not a DeepLabCut table in UTF-8: {problem}') from problem
        delimiter = max(',;\t', key=text.partition('\n')[0].count)
        rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
        heads = {row[0]: row for row in rows[: len(LEVELS)] if row[0] in LEVELS}
        width = next((i for i, name in enumerate(heads.get('coords', [])) if name in ('x', 'y')), 1)
        head = {name: row[width:] for name, row in heads.items()}  # the first columns are the image's name
        frames = [('/'.join(row[:width]), row[width:]) for row in rows[len(heads) :]]
    if not {'x', 'y'} <= set(head.get('coords', ())) <= set(COORDS) or 'bodyparts' not in head:
        raise InputError(f'{file}: not a DeepLabCut table: expected header rows scorer, bodyparts and coords (x, y)')
    return {'individuals': [''] * len(head['coords']), **head}, frames


def _read_instances(head: dict[str, list[str]], values: Sequence, names: list[str], where: str) -> list[Instance]:
    """Return the instances of a frame: one per individual with a labeled body part, or one of all body parts."""
    columns = list(zip(head['individuals'], head['bodyparts'], head['coords'], strict=True))
    if len(values) != len(columns):
        raise InputError(f'{where}: expected {len(columns)} values, got {len(values)}')
    points: dict[str, np.ndarray] = {}
    for (individual, part, kind), value in zip(columns, values, strict=True):
        try:
            number = float(str(value).replace(',', '.') or 'nan')
        except ValueError:
            raise InputError(f'{where}: {kind} of {part}: expected a number, got {value!r}') from None
        keypoints = points.setdefault(individual, np.full((len(names), 3), (np.nan, np.nan, 2.0)))
        if kind == 'likelihood':
            number, kind = 2.0 * (number >= MIN_LIKELIHOOD), 'visible'
        keypoints[names.index(part), COORDS.index(kind)] = number
    for keypoints in points.values():
        keypoints[~np.isfinite(keypoints).all(1) | (keypoints[:, 2] <= 0)] = 0
    return [Instance(xyv, f'{where} {individual}'.rstrip()) for individual, xyv in points.items() if xyv.any()]


def _read_skeleton(config: Path, names: list[str], notes: list[str]) -> list[tuple[int, int]]:
    import yaml

    if not config.is_file():
        notes.append(f'no {config.name}: no skeleton')
        return []
    try:
        pairs = (yaml.safe_load(config.read_text('utf-8-sig', 'replace')) or {}).get('skeleton') or []
        links = [(names.index(a), names.index(b)) for a, b in pairs if a in names and b in names]
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as problem:
        notes.append(f'{config}: no skeleton: expected pairs of body parts: {one_line(problem)}')
        return []
    if len(links) < len(pairs):
        notes.append(f'{config}: {len(pairs) - len(links)} links of the skeleton name body parts that are not labeled')
    return links
