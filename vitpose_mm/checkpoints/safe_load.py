"""Load untrusted checkpoint files: only tensors are read, and no code in the file runs."""

import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor

from .formats import recognise, unwrap
from .torch_file import read_torch_file

# MMEngine loads with `weights_only` and its own list of safe types. The list lacks the array types of the colours
# and sigmas in its checkpoints: without them it warns and loads without `weights_only`.
if hasattr(torch.serialization, 'add_safe_globals'):
    torch.serialization.add_safe_globals([type(np.dtype(name)) for name in ('uint8', 'float32')])

# what transformers' `save_pretrained` writes, in the order in which transformers looks for it
FOLDER = ('model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin', 'pytorch_model.bin.index.json')
_MAX_JSON = 1 << 26  # bytes
_MAX_HEADER = 100_000_000  # bytes, the limit of the safetensors library


RECORD = 'vitpose_mm'  # key of our own JSON text in the metadata of safetensors
SAFE = 'vitpose-safe://'  # before a path: MMEngine reads it with `load_checkpoint`


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
    weights = load_checkpoint(path).weights
    log_not_finite(path, weights)
    return weights


def load_checkpoint(path: Path) -> Checkpoint:
    """Read an untrusted checkpoint, on the CPU.

    Args:
        path: a file of torch.save or of safetensors, the index of a sharded checkpoint (*.index.json), or a folder
            that transformers' `save_pretrained` wrote. Optimiser state is dropped.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a checkpoint, its weights are not a dict of tensors, it claims more than it holds, or
            torch.load would do more than unpickle it.
    """
    if path.is_dir():
        return _load_folder(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    if path.name.endswith('.index.json'):
        return _load_shards(path)
    if path.suffix == '.safetensors':
        weights, meta = _read_safetensors(path)
        return _with_grid(Checkpoint(_checked(path, unwrap(weights)[0]), meta, '', 'safetensors'), meta.get('grid'))
    return _load_torch(path)


def _with_grid(loaded: Checkpoint, grid: Any) -> Checkpoint:
    """The same, with the grid of the position table where the load hooks find it, if it is one."""
    sides = tuple(grid) if isinstance(grid, list | tuple) else ()
    origin = recognise(loaded.weights) if len(sides) == 2 and all(type(side) is int for side in sides) else None
    if origin is None:
        return loaded
    weights = OrderedDict(loaded.weights)
    weights._metadata = {origin.prefix.rstrip('.'): {'grid': sides}}  # type: ignore[attr-defined]
    return loaded._replace(weights=weights)


@CheckpointLoader.register_scheme(prefixes=(SAFE, r'.*\.safetensors$', r'.*\.index\.json$', r'.*/$'))
def load_from_safe(filename: str, map_location: object = None) -> dict:
    """Read a checkpoint for MMEngine's `load_from` and `init_cfg`: safetensors, shards, folders with a final slash.

    Returns:
        'state_dict' and 'meta', on the CPU.
    """
    path = Path(filename.removeprefix(SAFE)).expanduser()
    loaded = load_checkpoint(path)
    log_not_finite(path, loaded.weights)
    return dict(state_dict=loaded.weights, meta=loaded.meta)


def not_finite(weights: Mapping[str, Tensor]) -> str:
    """Count NaN and infinite weights: one line, '' if there are none."""
    counts = [0, 0]
    where = ''
    for key, value in weights.items():
        if value.is_floating_point() and not value.isfinite().all():
            counts[0] += int(value.isnan().sum())
            counts[1] += int(value.isinf().sum())
            where = where or key
    return f'{counts[0]} weights are NaN and {counts[1]} infinite, the first in {where}' if where else ''


def log_not_finite(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Log one line if a weight is NaN or infinite."""
    faults = not_finite(weights)
    if faults:
        print_log(f'{path}: {faults}', logger='current', level=logging.WARNING)


def _load_torch(path: Path) -> Checkpoint:
    try:
        content = read_torch_file(path)
    except ValueError as problem:
        if str(problem).startswith(('it is a TorchScript', 'it is a tar')):
            raise ValueError(
                f'{path} {str(problem).removeprefix("it ")}; expected a dict of tensors, as '
                'torch.save(model.state_dict(), FILE) writes it'
            ) from problem
        raise ValueError(_unreadable(path, problem)) from problem
    except Exception as problem:  # a malformed file can make the readers raise anything
        raise ValueError(_unreadable(path, problem)) from problem
    weights, opened = unwrap(content)
    weights = _checked(path, weights)
    meta = content.get('meta') if isinstance(content, dict) else None
    rest = {key: content[key] for key in ('epoch', 'iter', 'origin') if type(content.get(key)) in (int, str)}
    return Checkpoint(weights, {**rest, **(meta if isinstance(meta, dict) else {})}, opened, 'torch')


def _unreadable(path: Path, problem: Exception) -> str:
    text = ' '.join(str(problem).split())[:200]
    return f'{path} cannot be read as a checkpoint of torch; is it complete? ({text or type(problem).__name__})'


def _checked(path: Path, content: Any) -> dict[str, Tensor]:
    if not isinstance(content, dict) or not content:
        kind = 'empty dict' if content == {} else type(content).__name__
        raise ValueError(f"{path}: expected a dict of tensors, possibly under 'state_dict'; found {kind}")
    for key, value in content.items():
        if isinstance(key, str) and not (key.isprintable() and len(key) < 300):
            raise ValueError(f'{path}: {key[:80]!r} is not a name of a weight')
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ValueError(
                f'{path}: expected a tensor for {str(key)[:80]!r}, found {type(value).__name__.lstrip("_")}'
            )
    return content  # keeps the `_metadata` of the state dict


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        from safetensors import safe_open
    except ImportError as problem:
        raise ValueError(f'{path}: reading it needs the package safetensors: pip install safetensors') from problem
    try:
        with safe_open(path, framework='pt') as file:
            meta: dict[str, Any] = dict(file.metadata() or {})
            own = json.loads(meta.pop(RECORD, '{}'))
            return {key: file.get_tensor(key) for key in file.keys()}, {
                **meta,
                **(own if isinstance(own, dict) else {}),
            }
    except Exception as problem:  # SafetensorError, and whatever a malformed file makes torch raise
        text = ' '.join(str(problem).split())[:200]
        raise ValueError(f'{path} cannot be read as safetensors; is it complete? ({text})') from problem


def _read_json(path: Path) -> dict:
    """A JSON object.

    Raises:
        ValueError: it is too large or not a JSON object.
    """
    try:
        if path.stat().st_size > _MAX_JSON:
            raise ValueError(f'more than {_MAX_JSON >> 20} MiB')
        content = json.loads(path.read_text('utf-8'))
    except (ValueError, RecursionError, OSError) as problem:
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
        shard = index.parent / name
        if Path(name).name != name or name in ('.', '..') or name.endswith('.index.json') or shard.is_dir():
            raise ValueError(f'{index}: {name[:80]!r} is not the name of a file beside it')
        found = load_checkpoint(shard).weights
        claimed = {key for key, at in where.items() if at == name}
        if found.keys() != claimed:
            missing, surplus = sorted(claimed - found.keys()), sorted(found.keys() - claimed)
            raise ValueError(
                f'{shard} does not fit {index.name}: {len(missing)} missing ({", ".join(missing[:3])}), '
                f'{len(surplus)} unexpected ({", ".join(surplus[:3])})'
            )
        weights.update(found)
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
