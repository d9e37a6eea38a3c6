"""How a ViT loads a checkpoint: rename its keys, resize its tensors, note what does not fit."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from ..checkpoints.adaptation import Grid, fit_pos_embed, fold_layer_scale, pad_kernel, resize_rel_pos
from ..checkpoints.fit import note_fit, pretrained, problems_of
from ..checkpoints.formats import POSE_GRIDS, Format, recognise, rename_vit, unwrap
from ..checkpoints.key_maps import take
from ..checkpoints.multi_dataset import AUTHORS_ORDER, rename_experts
from ..checkpoints.safe_load import SAFE
from ..checkpoints.token_file import read_token
from ..layers.patch_embed import PADDING

if TYPE_CHECKING:
    from .vit import ViT

PATCH = 'patch_embed.proj.weight'
TOKEN = 'knowledge_token.tokens'


def read_checkpoint(
    vit: 'ViT', state_dict: dict[str, Tensor], prefix: str, metadata: dict | None = None, *_: object
) -> None:
    """Rename a checkpoint's keys and resize its tensors for a ViT, in place; the pre-hook of its `load_state_dict`.

    It never refuses a checkpoint: what cannot be adapted stays as it is, so that torch reports it, and `note_fit` notes
    why. Only the file of a backbone that was pre-trained without a last norm may lack that norm: it then starts
    untrained, and the log says so.

    Args:
        vit: loads the checkpoint.
        state_dict: of any known origin.
        prefix: of the ViT's keys in it, '' or ending with a dot.
        metadata: of the ViT in it, as `record` adds it: 'grid' of the position table, 'experts' by name.
    """
    taken = take(state_dict, prefix)
    taken = taken if prefix else unwrap(taken)[0]
    weights, form, problems = rename_vit(taken)
    if not any(key in weights for key in vit.state_dict()):
        begin = f'they begin with {", ".join(sorted(weights)[:3])}, ...' if weights else 'it has none with this prefix'
        note_fit(vit, weights, [f"no key of the checkpoint is one of {prefix or 'this ViT'}'s: {begin}"])
        state_dict.update({prefix + key: value for key, value in weights.items()})
        return
    recorded = metadata or {}
    whole = PATCH in weights  # else a part of a ViT, such as an adapter's
    if whole:
        problems += _sizes(vit, weights)
        _warn_of_heads(vit, form)
    known = recorded.get('experts') or (AUTHORS_ORDER if form is not None and form.table is not None else ())
    grids = _grids(vit, form, recorded.get('grid'))
    fold_layer_scale(weights, _log)
    try:
        weights = rename_experts(weights, vit.experts, vit.expert_dim, _log, known)
    except ValueError as problem:
        problems.append(str(problem))
    try:
        if whole:
            weights[PATCH] = pad_kernel(weights[PATCH], vit.patch_embed.proj.kernel_size[0], _log)
    except ValueError as problem:
        problems.append(str(problem))
    try:
        if 'pos_embed' in weights:
            fit_pos_embed(weights, 'pos_embed', vit.grid, grids, _log)
    except ValueError as problem:
        problems.append(str(problem))
        if weights['pos_embed'].shape == vit.pos_embed.shape:  # torch would load it
            del weights['pos_embed']
    problems += _take_tokens(vit, weights)
    _fit_rel_pos(vit, weights, whole)
    optional = ['knowledge_token.']
    if not prefix and whole and 'last_norm.weight' not in weights:
        optional.append('last_norm.')
        _log('the checkpoint has no last norm: it starts with weight 1 and bias 0')
    note_fit(vit, weights, problems, tuple(optional))
    state_dict.update({prefix + key: value for key, value in weights.items()})


def record(vit: nn.Module, state_dict: dict, prefix: str, metadata: dict) -> None:
    """Add what weights do not tell to a state dict's metadata; the hook of a model's `state_dict`."""
    metadata['grid'] = vit.grid
    if getattr(vit, 'experts', ()):
        metadata['experts'] = tuple(vit.experts)  # type: ignore[arg-type]


def _log(message: str) -> None:
    print_log(message, logger='current')


def _sizes(vit: 'ViT', weights: dict[str, Tensor]) -> list[str]:
    """A message if the checkpoint's ViT has another width or depth."""
    norm = weights.get('last_norm.weight')
    blocks = len({key.split('.')[1] for key in weights if key.startswith('layers.')})
    sizes = (('width', vit.embed_dim if norm is None else len(norm), vit.embed_dim), ('depth', blocks, vit.depth))
    return [
        f'the checkpoint has {name} {theirs}, this model {ours}: choose the arch that the checkpoint was trained with, '
        'or another checkpoint'
        for name, theirs, ours in sizes
        if theirs != ours
    ]


def _grids(vit: 'ViT', form: Format | None, recorded: Grid | None) -> list[Grid]:
    """Grids that a position table may have: what is said, or else what is known of its format."""
    if vit.pretrain_img_size:  # trained at stride 16 or 8
        return [(vit.pretrain_img_size[0] // stride, vit.pretrain_img_size[1] // stride) for stride in PADDING]
    if recorded:
        return [recorded]
    own = form is None or form.table is None
    known = POSE_GRIDS if form is None else form.grids
    return [vit.grid, *known] if own else [*known, vit.grid]


def _warn_of_heads(vit: 'ViT', form: Format | None) -> None:
    """The number of attention heads is not stored: timm's ViTs, DINOv2 and their like have 64 channels per head."""
    heads: int = vit.layers[0].attn.num_heads  # type: ignore[union-attr, assignment]
    if form is not None and form.name in ('timm', 'dinov2', 'dinov2-transformers') and vit.embed_dim != 64 * heads:
        print_log(
            f'{form.title}: its ViT of width {vit.embed_dim} usually has {vit.embed_dim // 64} attention heads, this '
            f'one {heads}: set arch=dict(depth={vit.depth}, embed_dim={vit.embed_dim}, num_heads=...) to its number',
            logger='current',
            level=logging.WARNING,
        )


def _take_tokens(vit: 'ViT', weights: dict[str, Tensor]) -> list[str]:
    """Turn the cls token and registers into knowledge tokens if the ViT asks for it; in place.

    Tokens beside the grid take part in attention, so a ViT without them does not compute the same. The cls token
    is dropped, as the authors do with MAE's; registers never are.

    Returns:
        A message if there are registers, or another number of tokens than the ViT has: they stay as they are.
    """
    if TOKEN in weights and vit.knowledge_token is None:
        count, width = weights[TOKEN].shape[1:]
        return [
            f'the checkpoint has a knowledge token, this ViT none: set '
            f'knowledge_token=dict(count={count}, width={width}, frozen=True)'
        ]
    found = {key: weights[key] for key in ('cls_token', 'register_tokens') if key in weights}
    if not found:
        return []
    tokens = torch.cat([part.reshape(1, -1, vit.embed_dim) for part in found.values()], dim=1)
    count = tokens.shape[1]
    keep = f"knowledge_token=dict(count={count}, init='checkpoint')"
    own = None if vit.knowledge_token is None else vit.knowledge_token.tokens.shape
    kept = vit.token_file == 'checkpoint' and own is not None
    if own is not None and kept and own != tokens.shape:
        return [f'the checkpoint has {count} tokens beside the grid, this ViT {own[1]}: set {keep}']
    if not kept and (len(found) > 1 or count > 1):
        return [
            f'the checkpoint has {count - 1} register tokens, which take part in attention: without them the ViT '
            f'computes something else. Keep them, and the cls token, with {keep}'
        ]
    for key in found:
        del weights[key]
    if kept:
        weights[TOKEN] = tokens
        _log(f'{count} tokens beside the grid (cls token, registers) become knowledge tokens')
    else:
        _log(f'the cls token is dropped, so the features differ from those of the original; {keep} keeps it')
    return []


def _fit_rel_pos(vit: 'ViT', weights: dict[str, Tensor], whole: bool) -> None:
    """Resize relative position tables, drop those of blocks that have none, and zero those that a whole ViT lacks."""
    own = {name: value for name, value in vit.named_parameters() if '.rel_pos.' in name}
    surplus = [key for key in weights if '.rel_pos.' in key and key not in own]
    for key in surplus:
        del weights[key]
    if surplus:
        print_log(
            f'dropped {len(surplus)} relative position tables of the checkpoint: these blocks have none in this '
            'attention layout',
            logger='current',
        )
    for key, value in own.items():
        if key in weights or whole:
            weights[key] = resize_rel_pos(weights[key], len(value)) if key in weights else torch.zeros_like(value)


def read_safely(init_cfg: Any) -> Any:
    """The same `init_cfg`, with which MMEngine reads local files without running code in them."""
    if isinstance(init_cfg, list):
        return [read_safely(each) for each in init_cfg]
    file = init_cfg.get('checkpoint') if isinstance(init_cfg, dict) else None
    if not isinstance(file, str) or '://' in file:
        return init_cfg
    return {**init_cfg, 'checkpoint': SAFE + file}


def init_pretrained(module: BaseModule, initialise: Callable[[], object]) -> None:
    """MMEngine's `init_weights` of a module: read the files of `init_cfg` safely, and refuse what does not fit.

    Raises:
        ValueError: a checkpoint does not fit, or has no key with the given prefix.
    """
    module.init_cfg = read_safely(module.init_cfg)
    for part in module.modules():
        part.load_problem = ''  # type: ignore[assignment]
    try:
        initialise()
        problem = problems_of(module)
    except AssertionError as error:  # MMEngine's: no key has the prefix
        problem = str(error)
    if problem:
        raise ValueError(problem + (_right_prefix(module.init_cfg) if hasattr(module, 'patch_embed') else ''))


def _right_prefix(init_cfg: Any) -> str:
    """The setting that loads the ViT of this file, if it is another one."""
    for cfg in init_cfg if isinstance(init_cfg, list) else [init_cfg]:
        if isinstance(cfg, dict) and cfg.get('type') == 'Pretrained':
            origin = recognise(unwrap(CheckpointLoader.load_checkpoint(cfg['checkpoint'], 'cpu'))[0])
            if origin is not None and origin.prefix.rstrip('.') != (cfg.get('prefix') or '').rstrip('.'):
                return f'; its ViT has the prefix {origin.prefix!r}: load it with {pretrained(origin.prefix)}'
    return ''


def load_token(vit: 'ViT') -> None:
    """Copy the tokens of `ViT(knowledge_token=dict(init=FILE))` from their file, if one is given.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another kind of file, or its tokens have another shape.
    """
    if vit.token_file not in (None, 'checkpoint'):
        assert vit.knowledge_token is not None
        tokens = vit.knowledge_token.tokens
        with torch.no_grad():
            tokens.copy_(read_token(vit.token_file, tokens.shape[1:]))
