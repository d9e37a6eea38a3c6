"""Read DeepLabCut's .h5 tables: the arrays that pandas stores, without PyTables and without unpickling anything."""

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, one_line

LEVELS = ('scorer', 'individuals', 'bodyparts', 'coords')
KEY = 'df_with_missing'


def read_h5(file: Path) -> tuple[dict[str, list[str]], list[tuple[str, np.ndarray]]]:
    """Return the header rows by name, and each frame's name and values.

    ValueError if h5py is not installed, the file is not such a table, or a part of it is stored as pickled objects,
    which are not read because they can run code.
    """
    try:
        import h5py
    except ImportError:
        remedy = "pip install 'vitpose_mm[labels]', or put the .csv that DeepLabCut writes beside it"
        raise InputError(f'{file}: a .h5 table needs h5py: {remedy}') from None
    heads: list[list[str]] = []
    values: list[np.ndarray] = []
    try:
        with h5py.File(file) as opened:
            table = opened[KEY]
            frames = ['/'.join(parts) for parts in zip(*_read_axis(file, table, 'axis1'), strict=True)]
            blocks = sorted(name.removesuffix('_items_level0') for name in table if name.endswith('_items_level0'))
            for block in blocks:
                heads += map(list, zip(*_read_axis(file, table, f'{block}_items'), strict=True))
                values.append(_read_array(file, table[f'{block}_values']))
            columns = np.concatenate(values, 1).astype(float)
    except InputError:
        raise
    except (OSError, KeyError, IndexError, TypeError, ValueError) as problem:
        raise InputError(f'{file}: not a DeepLabCut table: {one_line(problem)}') from problem
    levels = [list(level) for level in zip(*heads, strict=True)]
    names = LEVELS if len(levels) == len(LEVELS) else [name for name in LEVELS if name != 'individuals']
    return dict(zip(names, levels, strict=False)), list(zip(frames, columns, strict=True))


def _read_axis(file: Path, table: Any, name: str) -> list[list[str]]:
    """Return the labels of an axis, a list per level."""
    if name in table:
        return [np.char.decode(_read_array(file, table[name]), 'utf-8').tolist()]
    levels: list[list[str]] = []
    while f'{name}_level{len(levels)}' in table:
        level, place = (_read_array(file, table[f'{name}_{kind}{len(levels)}']) for kind in ('level', 'label'))
        texts = np.char.decode(level, 'utf-8') if level.dtype.kind == 'S' else level.astype(str)
        levels.append(texts[place].tolist())
    return levels


def _read_array(file: Path, array: Any) -> np.ndarray:
    if array.dtype.kind == 'O':
        raise InputError(f'{file}: {array.name} holds pickled objects, which can run code: use the .csv beside it')
    return array[()]
