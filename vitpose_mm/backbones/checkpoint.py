"""How a ViT loads a checkpoint: rename its keys, resize its tensors, refuse what does not fit."""

from typing import TYPE_CHECKING

import torch
from mmengine.logging import print_log
from torch import Tensor

from ..checkpoints.adaptation import fit_pos_embed, pad_kernel, resize_rel_pos
from ..checkpoints.fit import refuse_unrelated, require_fit, require_size
from ..checkpoints.key_maps import rename_backbone, take
from ..checkpoints.multi_dataset import rename_experts
from ..checkpoints.token_file import read_token

if TYPE_CHECKING:
    from .vit import ViT

PATCH = 'patch_embed.proj.weight'
TOKEN = 'knowledge_token.tokens'


def read_checkpoint(vit: 'ViT', state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Rename a checkpoint's keys and resize its tensors for a ViT, in place; the pre-hook of its `load_state_dict`.

    MMEngine loads non-strictly and would train or test from random values. Therefore every parameter
    but the knowledge token's must be in the checkpoint. Only the file of a backbone that was pre-trained without
    a last norm may lack that norm: it then starts untrained, and the log says so.

    Args:
        vit: loads the checkpoint.
        state_dict: of any known origin.
        prefix: of the ViT's keys in it, '' or ending with a dot.

    Raises:
        ValueError: the checkpoint does not fit; the message says where and how to fix it.
    """
    weights = rename_backbone(take(state_dict, prefix))
    refuse_unrelated(weights, prefix, vit.state_dict())
    require_size(weights, vit.embed_dim, vit.depth)
    weights = rename_experts(weights, vit.experts, vit.expert_dim)
    if TOKEN in weights and vit.knowledge_token is None:
        count, width = weights[TOKEN].shape[1:]
        raise ValueError(
            f'the checkpoint has a knowledge token, this ViT none: set '
            f'knowledge_token=dict(count={count}, width={width}, frozen=True)'
        )
    if PATCH in weights:
        weights[PATCH] = pad_kernel(weights[PATCH], vit.patch_embed.proj.kernel_size[0])
    if 'pos_embed' in weights:
        weights['pos_embed'] = fit_pos_embed(weights['pos_embed'], vit.grid, vit.pretrain_grid)
    _fit_rel_pos(vit, weights)
    optional = ['knowledge_token.']
    if not prefix and 'last_norm.weight' not in weights:
        optional.append('last_norm.')
        print_log('the checkpoint has no last norm: it starts with weight 1 and bias 0', logger='current')
    require_fit(vit, weights, optional)
    state_dict.update({prefix + key: value for key, value in weights.items()})


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


def load_token(vit: 'ViT') -> None:
    """Copy the tokens of `ViT(knowledge_token=dict(init=FILE))` from their file, if one is given.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another kind of file, or its tokens have another shape.
    """
    if vit.token_file is not None:
        assert vit.knowledge_token is not None
        tokens = vit.knowledge_token.tokens
        with torch.no_grad():
            tokens.copy_(read_token(vit.token_file, tokens.shape[1:]))
