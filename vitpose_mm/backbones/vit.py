"""The plain ViT as a backbone of MMPose."""

from copy import deepcopy
from typing import Any

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from ..checkpoints.mmengine_loading import init_pretrained
from ..networks.vit import PlainViT
from .token_file import load_tokens


@MODELS.register_module()
class ViT(PlainViT, BaseModule):
    """`PlainViT` as a backbone of MMPose, with parts that can be frozen; it raises what `PlainViT` does.

    Args:
        *args: `PlainViT`'s.
        freeze: None; 'attention' (with norm1); 'ffn' (with norm2, patch embedding and position table);
            n for patch embedding, position table and the first n blocks; or 'all_but_token', together
            with `freeze=True` of the decoder. The knowledge token is frozen only by its own `frozen`. Source:
            ViTPose table 6 and the authors' code, except for n: theirs never froze the first block.
        init_cfg: MMEngine's; use dict(type='Pretrained', checkpoint=...).
        **kwargs: `PlainViT`'s: arch, img_size, stride, attention, experts, knowledge_token, ...
    """

    def __init__(
        self, *args: Any, freeze: str | int | None = None, init_cfg: dict | list[dict] | None = None, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.init_cfg, self.freeze = deepcopy(init_cfg), freeze
        for part in self.frozen_parts():
            part.requires_grad_(False)

    def init_weights(self) -> None:
        """Read the files of `init_cfg` and of the knowledge token's `init`; the Runner calls it before training."""
        init_pretrained(self, super().init_weights)
        load_tokens(self)

    def train(self, mode: bool = True) -> 'ViT':
        """Switch to training mode, except for frozen modules, which stay in evaluation mode."""
        super().train(mode)
        for part in self.frozen_parts():
            if isinstance(part, nn.Module):
                part.eval()
        return self

    def frozen_parts(self) -> list[nn.Module | Tensor]:
        """Return the modules and parameters that `freeze` excludes from training.

        ValueError if `freeze` is unknown, or 'all_but_token' without a trainable token.
        """
        if self.freeze is None:
            return []
        stem: list[nn.Module | Tensor] = [self.patch_embed, self.pos_embed]
        if self.freeze == 'attention':
            return [part for block in self.layers for part in (block.attn, block.norm1)]
        if self.freeze == 'ffn':
            return stem + [part for block in self.layers for part in (block.mlp, block.norm2)]
        if type(self.freeze) is int and 0 <= self.freeze <= self.depth:
            return stem + list(self.layers[: self.freeze])
        if self.freeze == 'all_but_token':
            if self.knowledge_token is None or self.knowledge_token.frozen:
                raise ValueError(
                    "freeze='all_but_token' leaves nothing to train: add knowledge_token=dict(count=1), without "
                    'frozen=True'
                )
            return stem + [*self.layers, self.last_norm]
        raise ValueError(
            f"freeze={self.freeze!r}: expected None, 'attention', 'ffn', 'all_but_token', or the number of blocks "
            f'to freeze, 0 (only patch embedding and position table) to {self.depth}'
        )

    def layer_id(self, name: str) -> int:
        """Return the layer of a parameter, named relative to the backbone, for layer-wise learning rate decay.

        0 for patch embedding, position table and knowledge tokens; j + 1 for block j; `depth` + 1 for the rest, which
        includes projection and position embedding of the knowledge tokens: like the head, they start untrained.
        """
        first, *rest = name.split('.')
        if first in ('patch_embed', 'pos_embed') or name == 'knowledge_token.tokens':
            return 0
        return int(rest[0]) + 1 if first == 'layers' else self.depth + 1
