"""Read files of torch.save with torch's own reader, restricted to an allow-list of classes that hold data."""

import argparse
import pickle
import re
import sys
import tarfile
import threading
import zipfile
from collections import Counter, OrderedDict
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.torch_version import TorchVersion

from ..logs import log

# in older versions files could run code in spite of `weights_only` (CVE-2025-32434) or corrupt memory (CVE-2026-24747)
SAFE_TORCH = TorchVersion(torch.__version__) >= '2.10'
_lock = threading.Lock()  # torch has one allow-list per process
_log_once = cache(log)
_PythonUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined]  # that in C allocates whatever a file claims


class Dtype:
    """A pickled numpy.dtype of numbers or text; the state of a real dtype can make NumPy read the file as pointers."""

    def __init__(self, code: str, *_: object):
        if not re.fullmatch(r'b1|[iufcSU]\d{1,4}', code):
            raise ValueError(f'an array of dtype {code[:20]!r}')
        self.plain = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:  # noqa: D105
        self.plain = self.plain.newbyteorder(state[1])


class Array(np.ndarray):
    """A pickled array of numbers or text; it is pickled again as a numpy.ndarray."""

    def __new__(cls, *_: object) -> 'Array':  # noqa: D102
        return super().__new__(cls, (0,))

    def __setstate__(self, state: Any) -> None:  # noqa: D105
        version, shape, dtype, *content = state
        super().__setstate__((version, shape, dtype.plain, *content))

    def __reduce__(self) -> Any:  # noqa: D105
        return self.view(np.ndarray).__reduce__()


class UnreadHistory:
    """Stands for MMEngine's log values where MMEngine is not imported: nothing there reads them."""

    min = max = current = mean = None


HistoryBuffer: Any = getattr(sys.modules.get('mmengine.logging'), 'HistoryBuffer', UnreadHistory)
HISTORY_STATISTICS = {name: getattr(HistoryBuffer, name) for name in ('min', 'max', 'current', 'mean')}
# what each name in a file is replaced by
ALLOWED_GLOBALS: dict[str, Any] = {
    'argparse.Namespace': argparse.Namespace,
    'builtins.bytes': lambda: b'',  # an empty array
    'builtins.getattr': lambda owner, name: HISTORY_STATISTICS[name],
    'builtins.slice': slice,
    'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
    'numpy.dtype': Dtype,
    'numpy.ndarray': Array,
    'numpy._core.multiarray._reconstruct': Array,
    'numpy._core.multiarray.scalar': lambda dtype, content: np.frombuffer(content, dtype.plain)[0],
    # also in torch's own list
    'collections.OrderedDict': OrderedDict,
    'collections.Counter': Counter,  # in the state of MMEngine's MultiStepLR
    'builtins.set': set,
    'builtins.complex': complex,
    '_codecs.encode': lambda text, codec: text.encode('latin1'),  # bytes
    'torch.Size': torch.Size,
    'torch.device': torch.device,
    'torch._utils._rebuild_tensor': torch._utils._rebuild_tensor,
    'torch._utils._rebuild_tensor_v2': torch._utils._rebuild_tensor_v2,
    'torch._utils._rebuild_parameter': torch._utils._rebuild_parameter,
    **{str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)},
}
ALLOWED_GLOBALS |= {name.replace('._core.', '.core.'): item for name, item in ALLOWED_GLOBALS.items()}  # before NumPy 2

# MMEngine's list lacks the arrays in our checkpoints, so MMPose's `init_model` would read them unsafely
if hasattr(torch.serialization, 'add_safe_globals'):
    torch.serialization.add_safe_globals([type(np.dtype(name)) for name in ('uint8', 'float32')])


def read_torch_file(path: Path, map_location: Any = 'cpu', mmap: bool = True) -> Any:
    """Read what torch.save wrote, without running code in the file. With `mmap`, tensors are views of the file.

    FileNotFoundError, or ValueError if the file is damaged or contains a class that is not allowed, naming both.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    try:
        options = dict(map_location=map_location, mmap=(_is_archive(path) and mmap) or None)
        if SAFE_TORCH:
            return _load_allowed(path, options)
        reason = f'torch {torch.__version__} cannot read untrusted files safely'
        _log_once(f'{reason}: vitpose_mm reads them itself, see SECURITY.md')
        load = lambda *args, **options: Unpickler(*args, **options).load()  # noqa: E731
        reader = SimpleNamespace(__name__='', Unpickler=Unpickler, load=load)
        return torch.load(str(path), weights_only=False, pickle_module=reader, **options)
    except Exception as problem:  # a malformed file can make torch raise anything
        text = ' '.join(str(problem).split()).rpartition('WeightsUnpickler error: ')[2].partition(' Check the doc')[0]
        if named := re.search(r'GLOBAL ([\w.]+)', text):
            text = (
                f'holds {named[1]}, so reading it could run code. If you trust the file, let a module of custom_imports'
                f' call torch.serialization.add_safe_globals([{named[1]}]), of torch >= 2.4'
            )
        elif not text.startswith('is '):
            text = f'cannot be read as a checkpoint of torch; is it complete? ({text[:200] or type(problem).__name__})'
        raise ValueError(f'{path} {text}') from problem


def _is_archive(path: Path) -> bool:
    """Return whether a file is a zip archive; refuse files that torch.load would not merely read."""
    with path.open('rb') as file:
        if file.read(4) != b'PK\x03\x04':
            if tarfile.is_tarfile(path):
                raise ValueError('is a tar archive, the oldest format of torch.save')
            return False
    if torch._C.PyTorchFileReader(str(path)).has_record('constants.pkl'):  # type: ignore[attr-defined]
        raise ValueError('is a TorchScript archive, and loading it runs code: save its state_dict() instead')
    with zipfile.ZipFile(path) as archive:
        if any(info.compress_type for info in archive.infolist()):
            raise ValueError('is compressed, which torch.save never does')
    return True


def _load_allowed(path: Path, options: dict) -> Any:
    """Read a file with torch's, the user's and our allow-list, which replaces entries of NumPy and Python."""
    with _lock:
        before = torch.serialization.get_safe_globals()
        others = [item for item in before if getattr(item, '__module__', '').split('.')[0] not in ('numpy', 'builtins')]
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals([*others, *((item, name) for name, item in ALLOWED_GLOBALS.items())])
        try:
            return torch.load(str(path), weights_only=True, **options)
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


class Unpickler(_PythonUnpickler):
    """For torch versions with unsafe `weights_only`: finds only what we or the user allow, and imports nothing."""

    dispatch = dict(_PythonUnpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:  # noqa: D102
        users: list = getattr(torch.serialization, 'get_safe_globals', list)()
        self.known = {**{f'{item.__module__}.{item.__qualname__}': item for item in users}, **ALLOWED_GLOBALS}
        path = f'{"builtins" if module == "__builtin__" else module}.{name}'
        if path not in self.known:
            raise pickle.UnpicklingError(f'GLOBAL {path} is not allowed')
        return self.known[path]

    def load_build(self) -> None:  # noqa: D102
        if type(self.stack[-2]) not in self.known.values():  # such as a function or class
            raise pickle.UnpicklingError(f'attributes of a {type(self.stack[-2]).__name__}')
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build
