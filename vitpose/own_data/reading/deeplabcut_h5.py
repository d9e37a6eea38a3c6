"""Read DeepLabCut's .h5 tables: the arrays that pandas stores, without PyTables and without unpickling anything."""

from pathlib import Path

import numpy as np

from ...errors import InputError, one_line

LEVELS = ('scorer', 'individuals', 'bodyparts', 'coords')
KEY = 'df_with_missing'


def read_h5(file: Path) -> tuple[dict[str, list[str]], list[tuple[str, np.ndarray]]]:
    """Return the header rows by name, and each frame's name and values.

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
