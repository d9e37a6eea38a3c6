"""An unpickler for untrusted files, for versions of torch whose `weights_only` mode has known holes."""

import pickle
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import torch

_Pure: Any = pickle._Unpickler  # type: ignore[attr-defined]  # the one in C allocates what a file claims
_TENSORS: dict[str, Any] = {
    'collections.OrderedDict': OrderedDict,
    'builtins.set': set,
    'builtins.complex': complex,
    '_codecs.encode': lambda text, codec: text.encode('latin1'),  # bytes
    'torch.Size': torch.Size,
    'torch._utils._rebuild_tensor': torch._utils._rebuild_tensor,
    'torch._utils._rebuild_tensor_v2': torch._utils._rebuild_tensor_v2,
    'torch._utils._rebuild_parameter': torch._utils._rebuild_parameter,
    **{str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)},
}


def restricted(allowed: dict[str, Any]) -> Any:
    """Return a `pickle_module` for torch.load, for what tensors need, the user allows and `allowed` stands for."""
    users: list = getattr(torch.serialization, 'get_safe_globals', list)()
    known = {**{f'{one.__module__}.{one.__qualname__}': one for one in users}, **_TENSORS, **allowed}
    stateful = [value for value in known.values() if isinstance(value, type)]

    class Unpickler(_Pure):
        dispatch = dict(_Pure.dispatch)

        def find_class(self, module: str, name: str) -> Any:
            path = f'{"builtins" if module == "__builtin__" else module}.{name}'
            if path not in known:
                raise pickle.UnpicklingError(f'GLOBAL {path} is not allowed')
            return known[path]

        def build(self) -> None:
            if type(self.stack[-2]) not in stateful:  # such as a function or class
                raise pickle.UnpicklingError(f'attributes of a {type(self.stack[-2]).__name__}')
            _Pure.load_build(self)

        dispatch[pickle.BUILD[0]] = build

    return SimpleNamespace(
        __name__=__name__, Unpickler=Unpickler, load=lambda *args, **how: Unpickler(*args, **how).load()
    )
