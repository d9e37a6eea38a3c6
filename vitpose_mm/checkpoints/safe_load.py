"""Load untrusted checkpoint files: only tensors are read, and no code in the file runs."""

import glob
import json
import logging
import os
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..logs import log
from .origins import recognize, unwrap
from .safe_unpickler import read_torch_file

# files that transformers' `save_pretrained` writes, in the order in which transformers looks for them
FOLDER_FILES = ('model.safetensors', 'model-*-of-*.safetensors', 'pytorch_model.bin', 'pytorch_model-*-of-*.bin')
METADATA_KEY = 'vitpose_mm'  # key of our own JSON text in the metadata of safetensors


class Checkpoint(NamedTuple):
    """The content of a checkpoint."""

    weights: dict[str, Tensor]  # the state dict, unwrapped
    meta: dict[str, Any]  # MMEngine's 'meta', a file's metadata, a folder's config.json under 'config'
    container: str  # 'torch' or 'safetensors', with the number of shards or the wrappers around the state dict


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights of an untrusted checkpoint onto the CPU, see `load_checkpoint`; log NaN and infinite weights."""
    return load_logged(path).weights


def load_logged(path: Path) -> Checkpoint:
    """Load as `load_checkpoint`, and log NaN and infinite weights."""
    loaded = load_checkpoint(path)
    if problem := find_non_finite_weights(loaded.weights):
        log(f'{path}: {problem}', logging.WARNING)
    return loaded


def load_checkpoint(path: Path) -> Checkpoint:
    """Read an untrusted checkpoint onto the CPU, without the state of the optimizer.

    `path` is a file of torch.save or safetensors, a folder of transformers' `save_pretrained`, or the index in it.
    FileNotFoundError, or ValueError if its weights are not a dict of tensors or it contains anything but data.
    """
    if path.is_dir():
        return _load_folder(path, FOLDER_FILES)
    if path.name.endswith('.index.json') and path.is_file():
        stem, suffix = os.path.splitext(path.name.removesuffix('.index.json'))
        return _load_folder(path.parent, [f'{glob.escape(stem)}-*-of-*{glob.escape(suffix)}'])
    if path.suffix == '.safetensors' and path.is_file():
        weights, meta = _read_safetensors(path)
        weights = _read_weights(path, unwrap(weights)[0])
        add_metadata(weights, meta)
        return Checkpoint(weights, meta, 'safetensors')
    content = read_torch_file(path)
    try:
        weights, opened = unwrap(content)
    except Exception as problem:  # a file can give an OrderedDict attributes that hide its methods
        raise ValueError(f'{path}: its state dict is malformed') from problem
    weights = _read_weights(path, weights)
    meta = {key: content[key] for key in ('epoch', 'iter') if type(content.get(key)) is int}
    meta.update(content['meta'] if isinstance(content.get('meta'), dict) else {})
    add_metadata(weights, meta)
    return Checkpoint(weights, meta, f'torch, weights under {opened}' if opened else 'torch')


def add_metadata(weights: Any, meta: dict[str, Any]) -> None:
    """Add what `meta` says about a ViT to the state dict's metadata, where load hooks look; keep existing entries."""
    known, metadata = _known_fields(meta), getattr(weights, '_metadata', {})
    if known and (origin := recognize(weights)):
        name = origin.prefix.rstrip('.')
        weights._metadata = {**metadata, name: {**known, **metadata.get(name, {})}}


def find_non_finite_weights(weights: Mapping[str, Tensor]) -> str:
    """Describe the number of NaN and infinite weights in one line, '' if there are none."""
    bad = {key: value for key, value in weights.items() if value.is_floating_point() and not value.isfinite().all()}
    nan, infinite = (sum(int(value.sum()) for value in map(test, bad.values())) for test in (torch.isnan, torch.isinf))
    return f'{nan} weights are NaN and {infinite} infinite, the first in {next(iter(bad))}' if bad else ''


def _read_weights(path: Path, content: Any) -> dict[str, Tensor]:
    """Take the weights out of what a file holds. ValueError if it is anything but a dict of dense tensors."""
    if not isinstance(content, dict) or not content:
        kind = 'empty dict' if content == {} else type(content).__name__
        raise ValueError(f"{path}: expected a dict of tensors, possibly under 'state_dict'; found {kind}")
    weights: Any = OrderedDict()
    for key, value in dict.items(content):
        if not isinstance(key, str) or not key.isprintable() or len(key) >= 300:
            raise ValueError(f'{path}: {ascii(key)[:80]} is not the name of a weight')
        if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise ValueError(f'{path}: expected a dense tensor for {key[:80]!r}, found {type(value).__name__}')
        if value.is_floating_point() and value.element_size() < 2:  # torch neither adds nor tests such numbers
            kind = str(value.dtype).removeprefix('torch.')
            raise ValueError(f'{path}: {key[:80]!r} is stored in {kind}: expected fp32, fp16 or bf16, convert it first')
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(f'{path}: {key[:80]!r} of shape {tuple(value.shape)} repeats a smaller tensor')
        weights[key] = value.detach()
    metadata = getattr(content, '_metadata', None)
    if isinstance(metadata, dict):
        weights._metadata = {key: _known_fields(data) for key, data in dict.items(metadata) if isinstance(data, dict)}
    return weights


def _known_fields(data: dict) -> dict:
    """Select what load hooks read of a file's metadata: grid, experts, number of attention heads, torch's version."""
    known: dict[str, Any] = {key: n for key in ('num_heads', 'version') if type(n := dict.get(data, key)) is int}
    for key, kind in (('grid', int), ('experts', str)):
        value = dict.get(data, key)
        if isinstance(value, list | tuple) and value and all(type(item) is kind for item in value):
            known[key] = tuple(value)
    if len(known.get('grid', (1, 1))) != 2 or min(known.get('grid', (1, 1))) < 1:
        del known['grid']
    return known


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        from safetensors import safe_open

        with safe_open(path, framework='pt') as file:
            meta: dict[str, Any] = dict(file.metadata() or {})
            meta.update(json.loads(meta.pop(METADATA_KEY, '{}')))
            return {key: file.get_tensor(key) for key in file.keys()}, meta
    except Exception as problem:  # a missing package, SafetensorError, or anything that torch raises on malformed files
        text = ' '.join(str(problem).split())[:200]
        raise ValueError(f'{path} cannot be read as safetensors; is it complete? ({text})') from problem


def _load_folder(folder: Path, patterns: Sequence[str]) -> Checkpoint:
    """Read what `save_pretrained` wrote: the files of the first pattern that matches any, and config.json.

    The image size in config.json gives the grid of the position table.
    """
    options = ([file for file in sorted(folder.glob(pattern)) if file.is_file()] for pattern in patterns)
    files = next(filter(None, options), None)
    if files is None:
        raise FileNotFoundError(f'{folder}: no checkpoint in this folder; expected one of {", ".join(patterns)}')
    count = re.search(r'-of-0*(\d+)\.', files[0].name)
    if count and count[1] != str(len(files)):
        raise ValueError(f'{folder}: expected {count[1]} shards such as {files[0].name}, found {len(files)}')
    parts = [load_checkpoint(file) for file in files]
    weights = OrderedDict(pair for part in parts for pair in part.weights.items())
    path, meta = folder / 'config.json', parts[0].meta
    try:
        config = dict(json.loads(path.read_text('utf-8'))) if path.is_file() else {}
    except (ValueError, TypeError, RecursionError) as problem:
        raise ValueError(f'{path} cannot be read as a JSON object: {" ".join(str(problem).split())[:200]}') from problem
    with suppress(KeyError, TypeError, ValueError, AttributeError, ArithmeticError):  # of a different model, or none
        vit = config.get('backbone_config', config)
        meta = {**meta, 'num_heads': vit.get('num_attention_heads')}
        meta = {**meta, 'grid': (np.broadcast_to(vit['image_size'], 2) // vit['patch_size']).tolist()}
    add_metadata(weights, meta)
    container = parts[0].container + (f', {len(files)} shards' if count else '')
    return Checkpoint(weights, {**parts[0].meta, 'config': config}, container)
