"""Which parts of a ViT do not train: `ViT(freeze=...)`."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from .vit import ViT


def frozen_parts(vit: 'ViT') -> list[nn.Module | Tensor]:
    """The modules and parameters of a ViT that its `freeze` excludes from training.

    Raises:
        ValueError: an unknown `freeze`, or 'all_but_token' without a token that trains.
    """
    if vit.freeze is None:
        return []
    stem: list[nn.Module | Tensor] = [vit.patch_embed, vit.pos_embed]
    if vit.freeze == 'attention':
        return [part for block in vit.layers for part in (block.attn, block.norm1)]
    if vit.freeze == 'ffn':
        return stem + [part for block in vit.layers for part in (block.mlp, block.norm2)]
    if type(vit.freeze) is int and 0 <= vit.freeze <= vit.depth:
        return stem + list(vit.layers[: vit.freeze])
    if vit.freeze == 'all_but_token':
        if vit.knowledge_token is None or vit.knowledge_token.frozen:
            raise ValueError(
                "freeze='all_but_token' leaves nothing to train: add knowledge_token=dict(count=1), without frozen=True"
            )
        return stem + [*vit.layers, vit.last_norm]
    raise ValueError(
        f"freeze={vit.freeze!r}: expected None, 'attention', 'ffn', 'all_but_token', or the number of first blocks "
        f'to freeze, 0 (only patch embedding and position table) to {vit.depth}'
    )
