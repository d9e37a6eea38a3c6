"""Read files of torch.save with torch's own reader, restricted to an allow-list of classes that hold data."""

import argparse
import re
import tarfile
import threading
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from mmengine.utils import digit_version

from . import old_torch

# before, files could run code in spite of `weights_only` (CVE-2025-32434) or corrupt memory (CVE-2026-24747)
SAFE_TORCH = digit_version(torch.__version__) >= digit_version('2.10')
_lock = threading.Lock()  # torch has one allow-list per process


class Dtype:
    """A pickled numpy.dtype of numbers or text. The state of a real one can make NumPy read a file as pointers."""

    def __init__(self, code: str, *_: object):
        if not re.fullmatch(r'b1|[iufcSU]\d{1,4}', code):
            raise ValueError(f'an array of dtype {code[:20]!r}')
        self.plain = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:  # noqa: D105
        self.plain = self.plain.newbyteorder(state[1])


class Array(np.ndarray):
    """A pickled array of numbers or text; saved again, it is a numpy.ndarray."""

    def __new__(cls, *_: object) -> 'Array':  # noqa: D102
        return super().__new__(cls, (0,))

    def __setstate__(self, state: Any) -> None:  # noqa: D105
        _, shape, dtype, fortran, content = state
        if type(content) is not bytes:
            raise ValueError('an array of objects')
        shape = np.frombuffer(content, dtype.plain).reshape(shape).shape
        super().__setstate__((1, shape, dtype.plain, fortran, content))

    def __reduce__(self) -> Any:  # noqa: D105
        return self.view(np.ndarray).__reduce__()


def _scalar(dtype: Dtype, content: bytes) -> Any:
    return np.frombuffer(content, dtype.plain)[0]


def _method(owner: Any, name: str) -> Any:
    """Stand in for `getattr`, with which a HistoryBuffer is pickled."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise ValueError('an attribute of a class')
    return getattr(owner, name)


# what stands for a name in a file, besides torch's own list
ALLOWED: dict[str, Any] = {
    'argparse.Namespace': argparse.Namespace,
    'builtins.bytes': lambda: b'',  # an empty array
    'builtins.getattr': _method,
    'builtins.slice': slice,
    'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
    'numpy.dtype': Dtype,
    'numpy.ndarray': Array,
    **dict.fromkeys(('numpy.core.multiarray._reconstruct', 'numpy._core.multiarray._reconstruct'), Array),
    **dict.fromkeys(('numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar'), _scalar),
}


def read_torch_file(path: Path, map_location: Any = 'cpu') -> Any:
    """Read what torch.save wrote; no code of the file runs.

    Args:
        path: the file. Tensors on the CPU are views of it: it may be deleted or replaced, but not changed in place,
            while they are in use. Files older than torch 1.6 are copied.
        map_location: where tensors go, as in torch.load.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or holds a class that is not on the list; the message names file and class.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    try:
        options = dict(map_location=map_location, mmap=_is_archive(path) or None)
        if SAFE_TORCH:
            return _read_listed(path, options)
        _log_old_torch()
        return torch.load(path, weights_only=False, pickle_module=old_torch.restricted(ALLOWED), **options)
    except Exception as problem:  # a malformed file can make torch raise anything
        raise ValueError(f'{path} {_explain(problem)}') from problem


def _explain(problem: Exception) -> str:
    text = ' '.join(str(problem).split()).rpartition('WeightsUnpickler error: ')[2].partition(' Check the doc')[0]
    if text.startswith('is '):
        return text
    named = re.search(r'GLOBAL ([\w.]+)', text)
    if named:
        way = f'let a module of custom_imports call torch.serialization.add_safe_globals([{named[1]}]), of torch >= 2.5'
        return f'holds {named[1]}, so reading it could run code. If you trust the file, {way}'
    return f'cannot be read as a checkpoint of torch; is it complete? ({text[:200] or type(problem).__name__})'


def _is_archive(path: Path) -> bool:
    """Return whether it is a zip archive; refuse what torch.load would do more than read."""
    with path.open('rb') as file:
        if file.read(4) != b'PK\x03\x04':
            if tarfile.is_tarfile(path):
                raise ValueError('is a tar archive, the oldest format of torch.save')
            return False
    reader: Any = torch._C.PyTorchFileReader(str(path))
    if reader.has_record('constants.pkl'):
        raise ValueError('is a TorchScript archive, and loading it runs code: save its state_dict() instead')
    with zipfile.ZipFile(path) as archive:
        if any(info.compress_type for info in archive.infolist()):
            raise ValueError('is compressed, which torch.save never does')
    return True


def _read_listed(path: Path, options: dict) -> Any:
    """Read it with torch's list, the user's and ours, which stands in for NumPy's and Python's own."""
    with _lock:
        before = torch.serialization.get_safe_globals()
        others = [one for one in before if getattr(one, '__module__', '').split('.')[0] not in ('numpy', 'builtins')]
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals([*others, *((one, name) for name, one in ALLOWED.items())])
        try:
            return torch.load(path, weights_only=True, **options)
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


@cache
def _log_old_torch() -> None:
    text = 'has known holes in its reader of untrusted files: vitpose_mm uses its own unpickler, see SECURITY.md'
    print_log(f'torch {torch.__version__} {text}; torch 2.10 has none', logger='current')
