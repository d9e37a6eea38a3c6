"""How a ViT reads a checkpoint: names, experts, tables of other sizes, and what does not fit."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor

from ..checkpoints import rename_backbone
from ..checkpoints.experts import rename_experts
from ..checkpoints.fit import PATCH, pad_kernel, refuse_unrelated, require_fit, require_size
from ..checkpoints.key_maps import ORIGINS
from ..layers import fold_extra_slot, resize_pos_embed, source_grid

if TYPE_CHECKING:
    from .vit import ViT


def read_checkpoint(vit: 'ViT', state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Rename a checkpoint's keys in place and fit its tables to a ViT; the pre-hook of its `load_state_dict`.

    Every parameter but the knowledge token's must come from the checkpoint: MMEngine loads
    non-strictly, and would train or test from random values. A ViT that was pre-trained without a
    last norm, which then is the whole file, gets one that is not trained yet, and the log says so.

    Args:
        vit: loads the checkpoint.
        state_dict: keys of any known origin.
        prefix: of the ViT's keys in it, '' or ending with a dot.

    Raises:
        ValueError: the checkpoint does not fit; the message says where and names the way out.
    """
    rename_backbone(state_dict, prefix)
    refuse_unrelated(state_dict, prefix, vit.state_dict(), [*ORIGINS, 'layers.0.norm1.weight'])
    require_size(
        {key[len(prefix) :]: value for key, value in state_dict.items() if key.startswith(prefix)},
        vit.embed_dim,
        vit.depth,
    )
    rename_experts(state_dict, prefix, vit.experts, vit.part)
    tokens = state_dict.get(prefix + 'knowledge_token.tokens')
    if tokens is not None and vit.knowledge_token is None:
        count, width = tokens.shape[1:]
        raise ValueError(
            f'the checkpoint has a knowledge token and this ViT none: give it '
            f'knowledge_token=dict(count={count}, width={width}, frozen=True)'
        )
    kernel = state_dict.get(prefix + PATCH)
    if kernel is not None:
        state_dict[prefix + PATCH] = pad_kernel(kernel, vit.patch_embed.proj.kernel_size[0])
    table = state_dict.get(prefix + 'pos_embed')
    if table is not None:
        source, has_slot = source_grid(table.shape[1], vit.grid, vit.pretrain_grid)
        table = fold_extra_slot(table) if has_slot else table
        state_dict[prefix + 'pos_embed'] = resize_pos_embed(table, source, vit.grid)
    _fit_rel_pos(vit, state_dict, prefix)
    optional = ['knowledge_token.']
    if not prefix and 'last_norm.weight' not in state_dict:
        optional.append('last_norm.')
        print_log('the checkpoint has no last norm: it starts with weight 1 and bias 0', logger='current')
    require_fit(vit, state_dict, prefix, 'this ViT', optional)


def _fit_rel_pos(vit: 'ViT', state_dict: dict[str, Tensor], prefix: str) -> None:
    """Resize relative position tables, start those that a checkpoint lacks from no bias, drop those too many."""
    own = {prefix + name: value for name, value in vit.named_parameters() if '.rel_pos.' in name}
    surplus = [
        key for key in state_dict if key.startswith(prefix + 'layers.') and '.rel_pos.' in key and key not in own
    ]
    for key in surplus:
        del state_dict[key]
    if surplus:
        print_log(
            f'dropped {len(surplus)} relative position tables of the checkpoint: this attention layout has none '
            'in their blocks',
            logger='current',
        )
    for key, value in own.items():
        table = state_dict.get(key)
        state_dict[key] = torch.zeros_like(value) if table is None else resize_rel_pos(table, len(value))


def resize_rel_pos(table: Tensor, length: int) -> Tensor:
    """Resize a table of offsets, linearly: (2 * side - 1, D) -> (length, D).

    Source: ViTDet's `get_rel_pos`; as the source.
    """
    if len(table) == length:
        return table
    resized = F.interpolate(table.float().T[None], size=length, mode='linear', align_corners=False)
    return resized[0].T.to(table.dtype)
