"""Files with a knowledge token: written from a teacher's checkpoint, read by its student.

Such a file is a NumPy archive without pickled objects: `tokens` (T, W) float32, and `origin`, JSON about the teacher.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitpose_base.files import replacing, sha256

from ..checkpoints.key_maps import pop_prefix
from ..networks.vit_checkpoint import LoadingViT

FILE_KIND = 'vitpose_mm knowledge token'
EXPECTED_FILE = "expected a file that `vitpose token extract` wrote from a teacher's checkpoint with a trained token"


def write_token_file(path: Path, tokens: Tensor, origin: dict[str, Any]) -> None:
    """Write tokens (T, W) and their origin atomically."""
    with replacing(path) as part, part.open('wb') as file:
        np.savez(file, tokens=tokens.float().numpy(), origin=json.dumps({'kind': FILE_KIND, **origin}))


def read_token_file(path: str | Path) -> tuple[Tensor, dict[str, Any]]:
    """Read tokens (T, W) and their origin; FileNotFoundError, or ValueError for any other kind of file."""
    if not Path(path).is_file():
        raise FileNotFoundError(f'knowledge_token: init={str(path)!r}: no such file; {EXPECTED_FILE}')
    try:
        with np.load(path, allow_pickle=False) as archive:
            tokens, origin = archive['tokens'], json.loads(archive['origin'].item())
        if origin['kind'] != FILE_KIND or tokens.ndim != 2 or tokens.dtype != np.float32:
            raise ValueError(f'{origin["kind"]!r} of shape {tokens.shape}')
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, zipfile.BadZipFile) as problem:
        raise ValueError(f'{path} is not a knowledge token file ({problem}): {EXPECTED_FILE}') from problem
    return torch.from_numpy(tokens), origin


def load_tokens(vit: LoadingViT) -> None:
    """Copy the tokens of `ViT(knowledge_token=dict(init=FILE))` from its file, if any.

    Errors as in `read_token_file`, and ValueError for tokens of a different shape.
    """
    if vit.token_file not in (None, 'checkpoint'):
        assert vit.knowledge_token is not None
        tokens, own = read_token_file(vit.token_file)[0], vit.knowledge_token.tokens
        if tokens.shape != own.shape[1:]:
            shapes = (own.shape[1:], tokens.shape)
            ours, file = ('knowledge_token=dict(count={}, width={}'.format(*shape) for shape in shapes)
            held = '{} has {} tokens of width {}'.format(vit.token_file, *tokens.shape)
            raise ValueError(f'{held}, this ViT {ours}): set {file}, ...)')
        with torch.no_grad():
            own.copy_(tokens)


def extract_tokens(weights: dict[str, Tensor], source: Path) -> tuple[Tensor, dict[str, Any]]:
    """Return a teacher's tokens (T, W) as they join its grid, and their origin. ValueError unless one ViT has some."""
    keys = [key for key in weights if key.endswith('knowledge_token.tokens')]
    if len(keys) != 1:
        fix = "with the teacher's config and backbone=dict(knowledge_token=dict(count=1), freeze='all_but_token')"
        raise ValueError(f'{source} has {len(keys)} knowledge tokens, expected one: train it first, {fix}')
    vit = pop_prefix(dict(weights), keys[0].removesuffix('knowledge_token.tokens'))
    module = {key: value.float() for key, value in pop_prefix(vit, 'knowledge_token.').items()}
    tokens = module['tokens']
    if 'proj.weight' in module:
        tokens = torch.nn.functional.linear(tokens, module['proj.weight'], module['proj.bias'])
    tokens = tokens + module.get('pos_embed', 0)
    return tokens[0], dict(
        checkpoint=source.name,
        sha256=sha256(source),
        teacher_depth=len({key.split('.')[1] for key in vit if key.startswith('layers.')}),
        teacher_width=vit['last_norm.weight'].numel(),
        count=tokens.shape[1],
        width=tokens.shape[2],
    )
