"""Read DeepLabCut projects of one or several animals, and the single csv of Lightning Pose."""

import csv
import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.file_names import FileFinder, path_parts

from ...errors import InputError, one_line
from ...predict.inputs.coco_json import short_text
from ..annotations import Annotations, Instance, Labels, Photo

CSV = '[cC][sS][vV]'
LEVELS = ('scorer', 'individuals', 'bodyparts', 'coords')
KEY = 'df_with_missing'  # of the .h5 tables
CONFIG = 'config.yaml'
COORDS = ('x', 'y', 'visible', 'likelihood')
MIN_LIKELIHOOD = 0.6  # of predictions that are read as labels: DeepLabCut's pcutoff
UNIQUE = 'single'  # stands in the row of individuals above body parts that belong to none of them
MISSING = ('', '-', 'na', 'n/a', '#n/a', 'none', 'null')
Columns = list[tuple[str, str, str]]  # individual, body part and one of COORDS
Table = tuple[Columns, list[tuple[str, Any]]]  # and name and values per frame


def read_deeplabcut(path: Path, images: Path | None = None) -> Annotations:
    """Read a project: its folder, with config.yaml and labeled-data/*/CollectedData_*, or one table (.csv or .h5).

    An individual of a frame is an instance; body parts that belong to none (`single`) are left out, unless there are no
    others. Body parts are found by name; a table need not have all. Lightning Pose has one csv, perhaps with a column
    `visible`. Of several tables of a video, that of the scorer in config.yaml is read, or else the one with the
    shortest name; of a csv and the .h5 of the same name, the csv. Image names are relative to the folder `images`, by
    default the project. ValueError if there are no such files; the message says where.
    """
    project = next((p for p in (path, *path.parents) if (p / 'labeled-data').is_dir()), path.parent)
    config, config_problem = _read_config(project / CONFIG)
    files, left_out = _find_files(path, config.get('scorer')) if path.is_dir() else ([path], [])
    tables = {file: _read_table(file) for file in files}
    parts_of = dict.fromkeys((individual, part) for columns, _ in tables.values() for individual, part, _ in columns)
    animals = {individual for individual, _ in parts_of if individual != UNIQUE} or {UNIQUE}
    names = list(dict.fromkeys(part for individual, part in parts_of if individual in animals))
    unique = [part for individual, part in parts_of if individual not in animals]
    finder = FileFinder(project, asked=images)
    notes, unreadable = [f'DeepLabCut: {len(files)} files', *left_out], list[str]()
    notes += [f'unique body parts ({", ".join(unique)}) belong to no animal: left out'] if unique else []
    photos: dict[tuple[str, ...], Photo] = {}
    for file, (columns, frames) in tables.items():
        present = {part for _, part, _ in columns}
        absent = [name for name in names if name not in present]
        notes += [f'{file}: without {", ".join(absent)}, which other tables have'] if absent else []
        for number, (name, values) in enumerate(frames):
            where, parts = f'{file}, image {number + 1} ({name})', path_parts(name)
            try:
                if not parts:
                    raise InputError(f'{where}: expected the name of an image, got {name!r}')
                if parts in photos:
                    raise InputError(f'{where}: the image occurs twice')
                image, folder = file.parent / parts[-1], parts[-2] if len(parts) > 1 else file.parent.name
                if images or not os.path.isfile(image) or image.parent.name != folder:
                    found = [p for p in finder.find(name) if '_'.join(('', *p.parent.parts)).endswith(f'_{folder}')]
                    if len(found) > 1:
                        raise InputError(f'{where}: {name!r} is ambiguous: {found[0]}, {found[1]}')
                    image = found[0] if found else finder.top / '/'.join(parts)  # not a frame of another folder
                video = None if folder in ('labeled-data', 'images', project.name) else folder
                instances = _read_instances(columns, animals, values, names, where)
                photos[parts] = Photo(image, '/'.join(parts), instances, video=video)
            except InputError as problem:
                unreadable.append(str(problem))
    empty = sum(not photo.instances for photo in photos.values())
    notes[0] += f', {len(photos):,} frames, {empty:,} of them without a labeled body part'
    notes += [config_problem] if config_problem else []
    links = [] if config_problem else _read_skeleton(project / CONFIG, config, names, notes)
    return Annotations(Labels(names, links), list(photos.values()), 'animal', notes, unreadable)


def _find_files(project: Path, scorer: Any) -> tuple[list[Path], list[str]]:
    """Return one table per video, or those of a Lightning Pose project, and a note on others that are left out."""
    found = [p for end in (CSV, 'h5') for p in sorted(project.glob(f'labeled-data/*/CollectedData_*.{end}'))]
    if not found:
        if files := sorted(project.glob(f'CollectedData*.{CSV}')):
            return files, []
        raise InputError(f'{project}: expected labeled-data/*/CollectedData_*.csv (or .h5), or CollectedData.csv')
    scored, chosen = f'CollectedData_{scorer}', dict[Path, Path]()
    for file in sorted(found, key=lambda file: (file.stem != scored, len(file.stem))):  # of the same name, csv is first
        chosen.setdefault(file.parent, file)
    others = Counter(file.name for file in found if file.stem != chosen[file.parent].stem)
    names = ', '.join(f'{name} of {count:,} videos' for name, count in others.items())
    rule = "of several tables of a video, the scorer's or else that with the shortest name is read; left out"
    return sorted(chosen.values()), [f'{rule}: {names}'] if others else []


def _read_config(file: Path) -> tuple[dict, str]:
    """Return the content of config.yaml, or {} and what is wrong with it."""
    import yaml

    if not file.is_file():
        return {}, f'no {CONFIG}: no skeleton'
    try:
        content = yaml.safe_load(file.read_text('utf-8-sig', 'replace')) or {}
    except (yaml.YAMLError, ValueError) as problem:
        return {}, f'{file}: no skeleton: expected pairs of body parts: {one_line(problem)}'
    if not isinstance(content, dict):
        return {}, f'{file}: no skeleton: expected pairs of body parts: got {short_text(content)}'
    return content, ''


def _read_table(file: Path) -> Table:
    """Return the columns, and each frame's name and values."""
    frames: list[tuple[str, Any]]
    texts = [text for text in (file.with_suffix('.csv'), file.with_suffix('.CSV')) if text.is_file()]
    if not texts:
        head, frames = _read_h5(file)
    else:
        try:
            text = re.sub(r'(?i)\Asep=.\n', '', texts[0].read_text(encoding='utf-8-sig'))  # spreadsheets put it first
        except UnicodeDecodeError as problem:
            raise InputError(f'{file}: not a DeepLabCut table in UTF-8: {problem}') from problem
        delimiter = max(',;\t', key=text.partition('\n')[0].count)
        rows = [row for line in text.splitlines() if any(row := _split_cells(line, delimiter))]
        heads = {row[0].lower(): row for row in rows[: len(LEVELS)] if row[0].lower() in LEVELS}
        heads['coords'] = coords = [name.lower() for name in heads.get('coords', [])]
        width = next((i for i, name in enumerate(coords) if name in ('x', 'y')), 1)
        end = max((i + 1 for i, name in enumerate(coords) if name), default=1)  # a spreadsheet's rows may be longer
        head = {name: (row + [''] * end)[width:end] for name, row in heads.items()}  # after the image's name
        frames = [('/'.join(row[:width]), row[width : None if any(row[end:]) else end]) for row in rows[len(heads) :]]
    kinds, parts = head.get('coords', []), head.get('bodyparts', [''])
    if not {'x', 'y'} <= set(kinds) <= set(COORDS) or not all(parts):
        expected = 'expected header rows scorer, bodyparts and coords (x, y) without empty cells'
        raise InputError(f'{file}: not a DeepLabCut table: {expected}')
    columns = list(zip(head.get('individuals', [''] * len(kinds)), parts, kinds, strict=True))
    if repeated := [part for (_, part, _), count in Counter(columns).items() if count > 1]:
        raise InputError(f'{file}: body part {repeated[0]!r} occurs twice: rename or delete one')
    return columns, frames


def _split_cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line. A stray quote stays in its cell: it takes neither other cells nor other lines."""
    cells = line.split(delimiter)
    with suppress(csv.Error):  # for example a cell of more than 128 KB
        cells = next(csv.reader([line], delimiter=delimiter)) if line.count('"') % 2 == 0 else cells
    return [cell.strip() for cell in cells]


def _read_instances(
    columns: Columns, animals: set[str], values: Sequence, names: list[str], where: str
) -> list[Instance]:
    """Return the instances of a frame: one per individual with a labeled body part, or one of all body parts."""
    if len(values) != len(columns):
        raise InputError(f'{where}: expected {len(columns)} values, got {len(values)}')
    points: dict[str, np.ndarray] = {}
    for (individual, part, kind), value in zip(columns, values, strict=True):
        if individual not in animals:
            continue
        try:
            number = np.nan if str(value).lower() in MISSING else float(str(value).replace(',', '.'))
        except ValueError:
            raise InputError(f'{where}: {kind} of {part}: expected a number, got {short_text(repr(value))}') from None
        keypoints = points.setdefault(individual, np.full((len(names), 3), (np.nan, np.nan, 2.0)))
        if kind == 'likelihood':
            number, kind = 2.0 * (number >= MIN_LIKELIHOOD), 'visible'
        keypoints[names.index(part), COORDS.index(kind)] = number
    for keypoints in points.values():
        keypoints[~np.isfinite(keypoints).all(1) | (keypoints[:, 2] <= 0)] = 0
    return [Instance(xyv, f'{where} {individual}'.rstrip()) for individual, xyv in points.items() if xyv.any()]


def _read_skeleton(file: Path, config: dict, names: list[str], notes: list[str]) -> list[tuple[int, int]]:
    """Return the links of the skeleton in the content of config.yaml."""
    try:
        pairs = config.get('skeleton') or []
        links = [(names.index(a), names.index(b)) for a, b in pairs if a in names and b in names]
    except (ValueError, TypeError) as problem:
        notes.append(f'{file}: no skeleton: expected pairs of body parts: {one_line(problem)}')
        return []
    if len(links) < len(pairs):
        notes.append(f'{file}: {len(pairs) - len(links)} links of the skeleton name body parts that are not labeled')
    return links


def _read_h5(file: Path) -> tuple[dict[str, list[str]], list[tuple[str, np.ndarray]]]:
    """Return the header rows by name, and each frame's name and values: pandas' arrays, without PyTables or pickle.

    ValueError if h5py is not installed, the file is not such a table, or has pickled objects, which can run code.
    """
    try:
        import h5py
    except ImportError:
        remedy = "pip install 'vitpose_mm[labels]', or put the .csv that DeepLabCut writes beside it"
        raise InputError(f'{file}: a .h5 table needs h5py: {remedy}') from None
    try:
        with h5py.File(file) as opened:
            members = {name: array for name, array in opened[KEY].items() if isinstance(array, h5py.Dataset)}
            if 'table' in members:
                raise TypeError("stored in pandas' format 'table', whose column names are pickled: use the .csv")
            for array in members.values():
                if array.dtype.kind == 'O':
                    raise TypeError(f'{array.name} holds pickled objects, which can run code: use the .csv beside it')
            arrays = {name: array[()] for name, array in members.items()}
        blocks = sorted(name.removesuffix('_values') for name in arrays if name.endswith('_values'))
        levels = zip(*(_read_axis(arrays, f'{block}_items') for block in blocks), strict=True)
        heads = [[name for names in level for name in names] for level in levels]
        values = np.concatenate([arrays[f'{block}_values'] for block in blocks], 1).astype(float)
        frames = ['/'.join(parts) for parts in zip(*_read_axis(arrays, 'axis1'), strict=True)]
        titles = [name for name in LEVELS if len(heads) == len(LEVELS) or name != 'individuals']
        return dict(zip(titles, heads, strict=True)), list(zip(frames, values, strict=True))
    except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError) as problem:
        raise InputError(f'{file}: not a DeepLabCut table: {one_line(problem)}') from problem


def _read_axis(arrays: dict[str, np.ndarray], name: str) -> list[list[str]]:
    """Return the labels of an axis, a list per level."""
    if name in arrays:
        return [np.char.decode(arrays[name], 'utf-8').tolist()]
    count = sum(key.startswith(f'{name}_level') for key in arrays)
    texts = [np.char.decode(arrays[f'{name}_level{i}'], 'utf-8') for i in range(count)]
    return [text[arrays[f'{name}_label{i}']].tolist() for i, text in enumerate(texts)]
