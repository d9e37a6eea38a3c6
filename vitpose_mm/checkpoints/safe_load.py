"""Load untrusted checkpoint files: only tensors are read, and no code in the file runs."""

import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from mmengine.utils import apply_to
from torch import Tensor

from .formats import recognise, unwrap
from .torch_file import read_torch_file

# what transformers' `save_pretrained` writes, in the order in which transformers looks for it
FOLDER = ('model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin', 'pytorch_model.bin.index.json')
RECORD = 'vitpose_mm'  # key of our own JSON text in the metadata of safetensors
SAFE, RESUME = 'vitpose-safe://', 'vitpose-resume://'  # before a path: MMEngine reads it with this module
WEB = ('http://', 'https://')


class Checkpoint(NamedTuple):
    """What was read of a checkpoint.

    Attributes:
        weights: the state dict, unwrapped.
        meta: the rest of the file: MMEngine's 'meta', a file's metadata, a folder's config.json under 'config'.
        opened: the wrappers around the state dict.
        container: 'torch', 'safetensors', with the number of shards.
    """

    weights: dict[str, Tensor]
    meta: dict[str, Any]
    opened: str
    container: str


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights of an untrusted checkpoint, on the CPU; see `load_checkpoint`. NaN and infinity are logged."""
    return load_from_safe(str(path))['state_dict']


def load_checkpoint(path: Path) -> Checkpoint:
    """Read an untrusted checkpoint, on the CPU.

    Args:
        path: a file of torch.save or of safetensors, the index of a sharded checkpoint (*.index.json), or a folder
            that transformers' `save_pretrained` wrote. Optimizer state is dropped.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a checkpoint, its weights are not a dict of tensors, or it holds something else than data.
    """
    if path.is_dir():
        return _load_folder(path)
    if path.name.endswith('.index.json'):
        return _load_shards(path)
    if path.suffix == '.safetensors' and path.is_file():
        weights, meta = _read_safetensors(path)
        return _with_grid(Checkpoint(_checked(path, unwrap(weights)[0]), meta, '', 'safetensors'), meta.get('grid'))
    content = read_torch_file(path)
    try:
        weights, opened = unwrap(content)
    except Exception as problem:  # a file can give an OrderedDict attributes that hide its methods
        raise ValueError(f'{path}: its state dict is malformed') from problem
    weights = _checked(path, weights)
    meta = {key: content[key] for key in ('epoch', 'iter', 'origin') if type(content.get(key)) in (int, str)}
    meta.update(content['meta'] if isinstance(content.get('meta'), dict) else {})
    return Checkpoint(weights, meta, opened, 'torch')


def _with_grid(loaded: Checkpoint, grid: Any) -> Checkpoint:
    """The same, with the grid of the position table where the load hooks find it, if it is one."""
    origin = recognise(loaded.weights)
    if origin and isinstance(grid, list) and len(grid) == 2 and all(type(side) is int for side in grid):
        loaded.weights._metadata = {origin.prefix.rstrip('.'): {'grid': tuple(grid)}}  # type: ignore[attr-defined]
    return loaded


def safely(file: str, scheme: str = SAFE) -> str:
    """Return the address under which MMEngine reads a file or web address with this module; others stay as they are."""
    return file if '://' in file and not file.startswith(WEB) else scheme + file


def _local(address: str, scheme: str) -> Path:
    """The file of an address, downloaded to torch's cache if it is on the web."""
    name = address.removeprefix(scheme)
    if not name.startswith(WEB):
        return Path(name).expanduser()
    path = Path(torch.hub.get_dir(), 'checkpoints', Path(urlparse(name).path).name)
    for turn in (is_main_process(), True):  # the other processes may have another disk
        if turn and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(name, str(path), progress=False)
        barrier()
    return path


@CheckpointLoader.register_scheme(prefixes=(SAFE, r'.*\.safetensors$', r'.*\.index\.json$', r'.*/$'))
def load_from_safe(filename: str, map_location: object = None) -> dict:
    """Read a checkpoint for MMEngine's `load_from` and `init_cfg`: safetensors, shards, folders with a final slash.

    Returns:
        'state_dict' and 'meta', on the CPU.
    """
    path = _local(filename, SAFE)
    loaded = load_checkpoint(path)
    if faults := not_finite(loaded.weights):
        print_log(f'{path}: {faults}', logger='current', level=logging.WARNING)
    return dict(state_dict=loaded.weights, meta=loaded.meta)


@CheckpointLoader.register_scheme(prefixes=RESUME)
def load_from_resume(filename: str, map_location: object = None) -> dict:
    """Read all that a checkpoint of a run holds, with the state of the optimizer, to continue the run."""
    content = read_torch_file(_local(filename, RESUME), map_location)
    if isinstance(content, dict) and 'optimizer' in content:  # the optimizer would keep the file open
        mapped = lambda part: isinstance(part, Tensor) and part.device.type == 'cpu'  # noqa: E731
        content['optimizer'] = apply_to(content['optimizer'], mapped, torch.clone)
    return content


def not_finite(weights: Mapping[str, Tensor]) -> str:
    """Count NaN and infinite weights: one line, '' if there are none."""
    bad = {key: value for key, value in weights.items() if value.is_floating_point() and not value.isfinite().all()}
    nan, infinite = (sum(int(value.sum()) for value in map(test, bad.values())) for test in (torch.isnan, torch.isinf))
    return f'{nan} weights are NaN and {infinite} infinite, the first in {next(iter(bad))}' if bad else ''


def _checked(path: Path, content: Any) -> dict[str, Tensor]:
    if not isinstance(content, dict) or not content:
        kind = 'empty dict' if content == {} else type(content).__name__
        raise ValueError(f"{path}: expected a dict of tensors, possibly under 'state_dict'; found {kind}")
    weights: Any = OrderedDict()
    for key, value in dict.items(content):
        if not isinstance(key, str) or not key.isprintable() or len(key) >= 300:
            raise ValueError(f'{path}: {ascii(key)[:80]} is not a name of a weight')
        if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise ValueError(f'{path}: expected a dense tensor for {key[:80]!r}, found {type(value).__name__}')
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(f'{path}: {key[:80]!r} of shape {tuple(value.shape)} repeats a smaller tensor')
        weights[key] = value.detach()
    if isinstance(getattr(content, '_metadata', None), dict):
        weights._metadata = content._metadata  # type: ignore[attr-defined]
    return weights


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        from safetensors import safe_open

        with safe_open(path, framework='pt') as file:
            meta: dict[str, Any] = dict(file.metadata() or {})
            own = json.loads(meta.pop(RECORD, '{}'))
            meta.update(own if isinstance(own, dict) else {})
            return {key: file.get_tensor(key) for key in file.keys()}, meta
    except ImportError as problem:
        raise ValueError(f'{path}: reading it needs the package safetensors: pip install safetensors') from problem
    except Exception as problem:  # SafetensorError, and whatever a malformed file makes torch raise
        text = ' '.join(str(problem).split())[:200]
        raise ValueError(f'{path} cannot be read as safetensors; is it complete? ({text})') from problem


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text('utf-8'))
    except (ValueError, RecursionError) as problem:
        raise ValueError(f'{path} cannot be read as JSON ({" ".join(str(problem).split())[:200]})') from problem
    if not isinstance(content, dict):
        raise ValueError(f'{path}: expected a JSON object, found {type(content).__name__}')
    return content


def _load_shards(index: Path) -> Checkpoint:
    """The shards that an index names, all in its folder."""
    where = _read_json(index).get('weight_map')
    if not isinstance(where, dict) or not where or not all(isinstance(name, str) for name in where.values()):
        raise ValueError(f"{index}: expected 'weight_map', the file of each weight")
    weights: dict[str, Tensor] = OrderedDict()
    names = sorted(set(where.values()))
    for name in names:
        if Path(name).name != name or name.endswith('.json') or (index.parent / name).is_dir():
            raise ValueError(f'{index}: {name[:80]!r} is not the name of a file beside it')
        weights.update(load_checkpoint(index.parent / name).weights)
    if differ := sorted(weights.keys() ^ where.keys()):
        raise ValueError(f'{index} and its files differ in {len(differ)} weights: {", ".join(differ[:3])}')
    container = 'safetensors' if names[0].endswith('.safetensors') else 'torch'
    return Checkpoint(weights, {}, '', f'{container}, {len(names)} shards')


def _load_folder(folder: Path) -> Checkpoint:
    """What `save_pretrained` wrote; the image size of config.json is the grid of the position table."""
    path = next((folder / name for name in FOLDER if (folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f'{folder}: no checkpoint in this folder; expected one of {", ".join(FOLDER)}')
    loaded = load_checkpoint(path)
    config = _read_json(folder / 'config.json') if (folder / 'config.json').is_file() else {}
    vit = config.get('backbone_config', config)
    try:
        size, patch = vit['image_size'], vit['patch_size']
        sides = [part if isinstance(part, list) else [part, part] for part in (size, patch)]
        grid = [int(side) // int(step) for side, step in zip(*sides, strict=True)]
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError):
        grid = []
    return _with_grid(loaded._replace(meta={**loaded.meta, 'config': config}), grid)
