"""An unpickler for untrusted files: plain data and tensors are kept, everything else is skipped, no code runs."""

import pickle
from typing import Any, Protocol

import torch

DTYPES = {
    'FloatStorage': torch.float32,
    'DoubleStorage': torch.float64,
    'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'ShortStorage': torch.int16,
    'CharStorage': torch.int8,
    'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
}


class Storages(Protocol):
    """Where the tensors of a pickle come from; both methods check what the pickle claims."""

    def storage(self, pid: Any) -> Any:
        """A storage from its persistent id."""

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *rest: object) -> Any:
        """A tensor of a storage."""


class Skipped:
    """Placeholder for any object that is not plain data: accepts every call of a pickle and does nothing."""

    __slots__ = ()

    def __init__(self, *args: object, **kwargs: object):
        pass

    def __call__(self, *args: object, **kwargs: object) -> 'Skipped':
        """Do nothing."""
        return self

    def __setstate__(self, state: object) -> None:
        """Drop it."""

    def __setitem__(self, key: object, value: object) -> None:
        """Drop it."""

    def append(self, item: object) -> None:
        """Drop it."""

    def extend(self, items: object) -> None:
        """Drop them."""


class Weights(dict):
    """An OrderedDict of a file, of which only the items and the layers' versions are kept."""

    __slots__ = ('metadata',)

    def __init__(self, items: object = ()):
        super().__init__()
        self.metadata: Any = None
        for key, value in items if isinstance(items, list) else ():
            self[_name(key)] = value

    def __setstate__(self, state: object) -> None:
        """Keep the versions of layers; attributes could replace methods."""
        self.metadata = state.get('_metadata') if isinstance(state, dict) else None


def _name(key: object) -> Any:
    """A key of a dict; hashing nested tuples could take for ever."""
    if key is None or isinstance(key, str | int | float | bytes):
        return key
    raise ValueError(f'a dict with a key of type {type(key).__name__}')


_Pure: Any = pickle._Unpickler  # type: ignore[attr-defined]


class Unpickler(_Pure):
    """Python's own unpickler, which keeps what is plain data and reads tensors through `tensor`.

    The one in C is faster but allocates what a file claims, as for the memo of a large index.
    """

    dispatch = dict(_Pure.dispatch)

    def __init__(self, file: Any, reader: Storages):
        super().__init__(file, encoding='utf-8')
        self._reader = reader
        self._trusted: dict[tuple[str, str], Any] = {
            ('collections', 'OrderedDict'): Weights,
            ('torch', 'Size'): lambda sizes=(): tuple(sizes),
            ('torch._utils', '_rebuild_tensor_v2'): reader.tensor,
            ('torch._utils', '_rebuild_parameter'): lambda data, *_: data,
            ('torch._utils', '_rebuild_parameter_with_state'): lambda data, *_: data,
        }

    def find_class(self, module: str, name: str) -> Any:
        """What a name of the pickle stands for; nothing is imported."""
        if module == 'torch' and name in DTYPES:
            return DTYPES[name]
        found = self._trusted.get((module, name))
        return Skipped if found is None else found if isinstance(found, type) else _Function(found)

    def persistent_load(self, pid: Any) -> Any:
        """A storage."""
        return self._reader.storage(pid)

    def _setitem(self) -> None:
        _name(self.stack[-2])
        _Pure.load_setitem(self)

    def _setitems(self) -> None:
        for key in self.stack[::2]:
            _name(key)
        _Pure.load_setitems(self)

    def _dict(self) -> None:
        for key in self.stack[::2]:
            _name(key)
        _Pure.load_dict(self)

    def _set(self) -> None:
        self.pop_mark()
        self.append(Skipped())

    def _additems(self) -> None:
        self.pop_mark()

    dispatch[pickle.SETITEM[0]] = _setitem
    dispatch[pickle.SETITEMS[0]] = _setitems
    dispatch[pickle.DICT[0]] = _dict
    dispatch[pickle.FROZENSET[0]] = _set
    dispatch[pickle.ADDITEMS[0]] = _additems


class _Function:
    """A function that a file may call; the wrapper keeps a pickle from setting attributes of the function."""

    __slots__ = ('_function',)

    def __init__(self, function: Any):
        self._function = function

    def __call__(self, *args: object) -> Any:
        return self._function(*args)

    def __setstate__(self, state: object) -> None:
        pass
