"""How a ViT loads a checkpoint: rename its keys, resize its tensors, refuse what does not fit."""

import logging
from typing import TYPE_CHECKING, Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..checkpoints.adaptation import Grid, fit_pos_embed, fold_layer_scale, pad_kernel, resize_rel_pos
from ..checkpoints.fit import refuse_unrelated, require_fit, require_size
from ..checkpoints.formats import POSE_GRIDS, Format, rename_vit, unwrap
from ..checkpoints.key_maps import take
from ..checkpoints.multi_dataset import rename_experts
from ..checkpoints.safe_load import safely
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

    MMEngine loads non-strictly and would train or test from random values. Therefore every parameter
    but the knowledge token's must be in the checkpoint. Only the file of a backbone that was pre-trained without
    a last norm may lack that norm: it then starts untrained, and the log says so.

    Args:
        vit: loads the checkpoint.
        state_dict: of any known origin.
        prefix: of the ViT's keys in it, '' or ending with a dot.
        metadata: of the ViT in it, as `record` adds it: 'grid' of the position table, 'experts' by name.

    Raises:
        ValueError: the checkpoint does not fit; the message says where and how to fix it.
    """
    taken = take(state_dict, prefix)
    weights, form = rename_vit(taken if prefix else unwrap(taken)[0])
    refuse_unrelated(weights, prefix, vit.state_dict())
    require_size(weights, vit.embed_dim, vit.depth)
    _warn_of_heads(vit, form)
    fold_layer_scale(weights, _log)
    recorded = metadata or {}
    weights = rename_experts(weights, vit.experts, vit.expert_dim, _log, recorded.get('experts', ()))
    if TOKEN in weights and vit.knowledge_token is None:
        count, width = weights[TOKEN].shape[1:]
        raise ValueError(
            f'the checkpoint has a knowledge token, this ViT none: set '
            f'knowledge_token=dict(count={count}, width={width}, frozen=True)'
        )
    if PATCH in weights:
        weights[PATCH] = pad_kernel(weights[PATCH], vit.patch_embed.proj.kernel_size[0], _log)
    if 'pos_embed' in weights:
        fit_pos_embed(weights, 'pos_embed', vit.grid, _grids(vit, form, recorded.get('grid')), _log)
    _take_tokens(vit, weights)
    _fit_rel_pos(vit, weights)
    optional = ['knowledge_token.']
    if not prefix and 'last_norm.weight' not in weights:
        optional.append('last_norm.')
        _log('the checkpoint has no last norm: it starts with weight 1 and bias 0')
    require_fit(vit, weights, optional)
    state_dict.update({prefix + key: value for key, value in weights.items()})


def record(vit: nn.Module, state_dict: dict, prefix: str, metadata: dict) -> None:
    """Add what weights do not tell to a state dict's metadata; the hook of a model's `state_dict`."""
    metadata['grid'] = vit.grid
    if getattr(vit, 'experts', ()):
        metadata['experts'] = tuple(vit.experts)  # type: ignore[arg-type]


def _log(message: str) -> None:
    print_log(message, logger='current')


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


def _take_tokens(vit: 'ViT', weights: dict[str, Tensor]) -> None:
    """Turn the cls token and registers into knowledge tokens if the ViT asks for it; in place.

    Tokens beside the grid take part in attention, so a ViT without them does not compute the same. The cls token
    is dropped, as the authors do with MAE's; registers never are.

    Raises:
        ValueError: there are registers, or another number of tokens than the ViT has.
    """
    found = [weights.pop(key) for key in ('cls_token', 'register_tokens') if key in weights]
    if not found:
        return
    tokens = torch.cat([part.reshape(1, -1, vit.embed_dim) for part in found], dim=1)
    count = tokens.shape[1]
    keep = f"knowledge_token=dict(count={count}, init='checkpoint')"
    if vit.token_file == 'checkpoint' and vit.knowledge_token is not None:
        shape = tuple(vit.knowledge_token.tokens.shape)
        if shape != tokens.shape:
            raise ValueError(f'the checkpoint has {count} tokens beside the grid, this ViT {shape[1]}: set {keep}')
        weights[TOKEN] = tokens
        _log(f'{count} tokens beside the grid (cls token, registers) become knowledge tokens')
    elif len(found) > 1 or count > 1:
        raise ValueError(
            f'the checkpoint has {count - 1} register tokens, which take part in attention: without them the ViT '
            f'computes something else. Keep them, and the cls token, with {keep}'
        )
    else:
        _log(f'the cls token is dropped, so the features differ from those of the original; {keep} keeps it')


def _fit_rel_pos(vit: 'ViT', weights: dict[str, Tensor]) -> None:
    """Resize relative position tables, set missing ones to zero, and drop those of blocks that have none; in place."""
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
        weights[key] = resize_rel_pos(weights[key], len(value)) if key in weights else torch.zeros_like(value)


def read_safely(init_cfg: Any) -> Any:
    """The same `init_cfg`, with which MMEngine reads files and web addresses without running code in them."""
    if isinstance(init_cfg, list):
        return [read_safely(each) for each in init_cfg]
    file = init_cfg.get('checkpoint') if isinstance(init_cfg, dict) else None
    return {**init_cfg, 'checkpoint': safely(file)} if isinstance(file, str) else init_cfg


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
