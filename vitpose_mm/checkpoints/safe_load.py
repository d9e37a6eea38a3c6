"""Load untrusted checkpoint files: only tensors are read, and no code in the file runs."""

import pickle
import tarfile
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

# MMEngine loads with `weights_only` and its own list of safe types. The list lacks the array types of the colours
# and sigmas in its checkpoints: without them it warns and loads without `weights_only`.
if hasattr(torch.serialization, 'add_safe_globals'):
    torch.serialization.add_safe_globals([type(np.dtype(name)) for name in ('uint8', 'float32')])


class _Function:
    """A function that a file may call; the wrapper keeps a pickle from setting attributes of the function."""

    def __init__(self, function: Callable):
        self._function = function

    def __call__(self, *args: object) -> Any:
        return self._function(*args)

    def __setstate__(self, state: object) -> None:
        pass


# what a pickled dict of tensors consists of
_TRUSTED = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch', 'Size'): torch.Size,
    ('torch._utils', '_rebuild_tensor_v2'): _Function(torch._utils._rebuild_tensor_v2),
    ('torch._utils', '_rebuild_parameter'): _Function(torch._utils._rebuild_parameter),
}


class _Skipped:
    """Placeholder for any object that is not a tensor: accepts every call of a pickle and does nothing."""

    def __init__(self, *args: object, **kwargs: object):
        pass

    def __call__(self, *args: object, **kwargs: object) -> '_Skipped':
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass

    def extend(self, items: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Replaces every name that is not trusted by `_Skipped`, without importing it."""

    def find_class(self, module: str, name: str) -> Any:
        return _TRUSTED.get((module, name), _Skipped)


def _load(file: IO[bytes], **kwargs: Any) -> Any:
    return _Unpickler(file, **kwargs).load()


# torch's own `weights_only` refuses the message hub in MMEngine's checkpoints (types cannot be added before
# torch 2.5), and before 2.6 it runs code in files of the old format
_PICKLE: Any = types.SimpleNamespace(__name__='pickle', Unpickler=_Unpickler, load=_load)


def _more_than_tensors(file: IO[bytes]) -> str:
    """Describe a file for which torch.load does more than unpickle, detected as torch.load does; '' for others.

    torch.load passes a TorchScript archive to torch.jit.load, which runs the archive's `__setstate__`,
    and unpacks a tar archive, its oldest format, whose hard links can change the mode of any file.
    """
    try:
        if torch.serialization._is_zipfile(file):
            program = torch.serialization._is_torchscript_zip(torch._C.PyTorchFileReader(file))
            return 'TorchScript archive, and loading it runs code' if program else ''
        try:
            tarfile.open(fileobj=file, mode='r:').close()
        except tarfile.TarError:
            return ''
        return 'tar archive, the oldest format of torch.save'
    finally:
        file.seek(0)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights of an untrusted checkpoint file, on the CPU.

    Args:
        path: a .pth file with a dict of tensors, possibly under 'state_dict' or 'model'. Optimiser
            state, logs and metainfo are dropped.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a checkpoint, its weights are not a dict of tensors, or torch.load would do
            more than unpickle it.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    with path.open('rb') as file:  # opened once: the file that is checked is the file that is loaded
        try:
            refused = _more_than_tensors(file)
            content = None if refused else torch.load(file, 'cpu', _PICKLE, weights_only=False)
        except Exception as problem:  # a malformed file can make torch raise anything
            raise ValueError(
                f'{path} cannot be read as a checkpoint of torch; is it complete? ({problem})'
            ) from problem
    if refused:
        raise ValueError(
            f'{path} is a {refused}; expected a dict of tensors, as torch.save(model.state_dict(), FILE) writes it'
        )
    for wrapper in ('state_dict', 'model'):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f"{path}: expected a dict of tensors, possibly under 'state_dict'; found {type(content).__name__}"
        )
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ValueError(f'{path}: expected a tensor for {key!r}, found {type(value).__name__.lstrip("_")}')
    return content  # keeps the `_metadata` of the state dict
