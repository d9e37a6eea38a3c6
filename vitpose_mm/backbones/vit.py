"""The plain ViT that ViTPose is built on."""

import logging
from collections.abc import Sequence
from functools import partial

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..checkpoints.token_file import read_token
from ..layers import Block, ExpertMlp, Mlp, PatchEmbed, resize_pos_embed
from ..layers.block import NORM_EPS
from ..layers.index import index_on
from .checkpoint import read_checkpoint
from .layout import attention_layout
from .options import build_token, check_size, expert_names
from .sizes import parse_size


@MODELS.register_module()
class ViT(BaseModule):
    """Plain vision transformer: an image in, one feature map out.

    Source: ViTPose (arXiv 2204.12484) section 3.1 and 3.3. The position table has no slot for a
    cls token: such a slot is folded into the table when a checkpoint is loaded.

    Checkpoints of this package, of MMPose 1.x (mmpretrain), of ViTPose's authors, of MAE and of
    transformers load as they are, at any image size.

    Args:
        arch: 'tiny', 'small', 'base', 'large', 'huge', or a dict(depth, embed_dim, num_heads[,
            mlp_ratio]).
        img_size: (h, w) of the input in pixels, multiples of `stride`. Other sizes work at run
            time: the position table is then resized.
        stride: 16 for a 1/16 feature map, 8 for 1/8 with overlapping patches.
        attention: 'full', or dict(window_size=(h, w), shift=False, pool=False, rel_pos=None or
            'decomposed', full_every_quarter=False, recompute=True); see `layout.attention_layout`.
            `print(vit.layout)` shows what each block got.
        experts: None, or dict(names=[...], part=192) for ViTPose+: the last `part` outputs of every
            FFN are those of the expert of the image's dataset, in the order of `names`. The estimator
            must then tell the datasets: `MultiDatasetPoseEstimator` does.
        knowledge_token: None, or dict(count=1, width=None, frozen=False, pos_embed=False, init=None) for
            learned tokens beside the grid, see `layers.KnowledgeToken`; `init` is a file of
            `vitpose token extract`, read when training starts and never after. The map that is
            returned does not have them.
        in_channels: channels of the image.
        drop_path_rate: drop path of the last block; it rises linearly from 0 at the first.
        with_cp: activation checkpointing: less memory, about a third more time per training step.
        freeze: None; 'attention' (attention and the norm before it); 'ffn' (FFN, the norm before
            it, patch embedding and position table); n: patch embedding, position table and the
            first n blocks; or 'all_but_token', which needs the decoder's own `freeze=True` beside
            it. Source: ViTPose table 6 and the authors' code, but for n, where the authors' never
            froze the first block. The knowledge token is frozen by its own `frozen` alone.
        pretrain_img_size: (h, w) that the checkpoints to be loaded were trained at. None finds it
            for the model's own proportions, for 4:3 and for squares.
        init_cfg: MMEngine's; use dict(type='Pretrained', checkpoint=...).

    Raises:
        ValueError: an argument does not fit; the message names it and the way out.
    """

    def __init__(
        self,
        arch: str | dict = 'base',
        img_size: tuple[int, int] = (256, 192),
        stride: int = 16,
        attention: str | dict = 'full',
        experts: dict | None = None,
        knowledge_token: dict | None = None,
        in_channels: int = 3,
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
        freeze: str | int | None = None,
        pretrain_img_size: tuple[int, int] | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg)
        size = parse_size(arch)
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f'drop_path_rate={drop_path_rate} must be at least 0 and below 1')
        self.depth, self.embed_dim = size.depth, size.embed_dim
        for argument, value in (('img_size', img_size), ('pretrain_img_size', pretrain_img_size)):
            check_size(argument, value)
        self.img_size, self.with_cp = tuple(img_size), with_cp
        self.patch_embed = PatchEmbed(in_channels, size.embed_dim, stride)
        self.grid = self.patch_embed.grid(*img_size)
        self.pretrain_grid = self.patch_embed.grid(*pretrain_img_size) if pretrain_img_size else None
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], size.embed_dim))
        rates = [drop_path_rate * j / max(size.depth - 1, 1) for j in range(size.depth)]
        self.layout = attention_layout(size.depth, attention)
        self.experts = expert_names(experts)
        self.part = experts['part'] if experts else 0
        ffn = partial(ExpertMlp, part=self.part, count=len(self.experts)) if experts else Mlp
        self.layers = nn.ModuleList(
            Block(
                size.embed_dim,
                block.build(size.embed_dim, size.num_heads, checkpointed=with_cp),
                ffn(size.embed_dim, int(size.embed_dim * size.mlp_ratio)),
                rate,
            )
            for block, rate in zip(self.layout, rates, strict=True)
        )
        self.last_norm = nn.LayerNorm(size.embed_dim, eps=NORM_EPS)
        self._init_parameters()
        token, self.token_file = build_token(size.embed_dim, knowledge_token)
        self.knowledge_token = token
        self.freeze = freeze
        for part in self._frozen_parts():
            part.requires_grad_(False)
        self._register_load_state_dict_pre_hook(read_checkpoint, with_module=True)

    def _init_parameters(self) -> None:
        init = partial(nn.init.trunc_normal_, std=0.02)
        init(self.pos_embed)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                init(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def _frozen_parts(self) -> list[nn.Module | Tensor]:
        if self.freeze is None:
            return []
        if self.freeze == 'attention':
            return [part for block in self.layers for part in (block.attn, block.norm1)]
        stem: list[nn.Module | Tensor] = [self.patch_embed, self.pos_embed]
        if self.freeze == 'ffn':
            return stem + [part for block in self.layers for part in (block.mlp, block.norm2)]
        if type(self.freeze) is int and 0 <= self.freeze <= self.depth:
            return stem + list(self.layers[: self.freeze])
        if self.freeze == 'all_but_token':
            if self.knowledge_token is None or self.knowledge_token.frozen:
                raise ValueError(
                    "freeze='all_but_token' with no token that trains: add knowledge_token=dict(count=1), "
                    'without frozen=True'
                )
            return stem + [*self.layers, self.last_norm]
        raise ValueError(
            f"freeze={self.freeze!r}: expected None, 'attention', 'ffn', 'all_but_token', or the number "
            f'of first blocks, from 0 (patch embedding and position table alone) to {self.depth}'
        )

    def init_weights(self) -> None:
        """Read what `init_cfg` and the knowledge token's `init` name; the Runner calls it to train."""
        super().init_weights()
        if self.token_file is not None:
            assert self.knowledge_token is not None
            with torch.no_grad():
                self.knowledge_token.tokens.copy_(read_token(self.token_file, self.knowledge_token.tokens.shape[1:]))

    def train(self, mode: bool = True) -> 'ViT':
        """Switch to training mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        for part in self._frozen_parts():
            if isinstance(part, nn.Module):
                part.eval()
        return self

    def layer_id(self, name: str) -> int:
        """Depth of a parameter for layer-wise learning rate decay.

        Args:
            name: the parameter's name relative to the backbone.

        Returns:
            0 for patch and position embedding and the knowledge tokens, which enter with them, j + 1
            for block j, `depth` + 1 for all else. That includes the knowledge token's projection and
            position embedding: they start from nothing, as the head does.
        """
        first, *rest = name.split('.')
        if first in ('patch_embed', 'pos_embed') or name == 'knowledge_token.tokens':
            return 0
        return int(rest[0]) + 1 if first == 'layers' else self.depth + 1

    @torch.compiler.disable  # otherwise the names are compiled in: one graph per list of names
    def route(self, datasets: Sequence[str], device: torch.device | str = 'cpu') -> int | Tensor:
        """The expert of each image of a batch, for `forward`.

        Args:
            datasets: the name of each image's dataset.
            device: of the images.

        Returns:
            One index if all images share an expert, else (B,).

        Raises:
            KeyError: a dataset has no expert.
        """
        for name in datasets:
            if name not in self.experts:
                raise KeyError(f'no expert for dataset {name!r}: this ViT has {", ".join(self.experts)}')
        picked = [self.experts.index(name) for name in datasets]
        return picked[0] if len(set(picked)) == 1 else index_on(device, picked)

    def forward(self, image: Tensor, datasets: Sequence[str] | int | Tensor | None = None) -> tuple[Tensor]:
        """(B, 3, H, W) -> one feature map (B, C, H / stride, W / stride).

        Args:
            image: the batch.
            datasets: name of each image's dataset, or what `route` made of the names; needed with
                experts, and read by them alone. Under `torch.compile` give the latter: a tensor of
                indices (B,) is one graph for every mix of datasets.

        Raises:
            ValueError: an image that is no float batch, or experts and not one dataset per image.
            KeyError: a dataset has no expert.
        """
        x = self.patch_embed(image)  # (B, Hp, Wp, C)
        grid = (x.shape[1], x.shape[2])
        if grid != self.grid and grid == self.grid[::-1]:  # MMEngine logs a warning of one text once
            print_log(
                f'ViT: the images are {tuple(image.shape[2:])}, but img_size={self.img_size}: both are (h, w), '
                'one of them looks transposed. The position table is resized for each batch',
                'current',
                logging.WARNING,
            )
        route = (self._checked_route(image, datasets),) if self.experts else ()
        x = x + resize_pos_embed(self.pos_embed, self.grid, grid).view(1, *grid, -1)
        streams = (x,) if self.knowledge_token is None else (x, self.knowledge_token(x.shape[0]))
        for block in self.layers:
            if self.with_cp and self.training:
                streams = checkpoint(block, streams, *route, use_reentrant=False)
            else:
                streams = block(streams, *route)
        return (self.last_norm(streams[0]).permute(0, 3, 1, 2).contiguous(),)

    def _checked_route(self, image: Tensor, datasets: Sequence[str] | int | Tensor | None) -> int | Tensor:
        """The experts of a batch: one index if all images share it, else (B,)."""
        if isinstance(datasets, int):
            return datasets
        # shapes, not len(): an exported graph keeps its dynamic batch
        given = datasets.shape[0] if isinstance(datasets, Tensor) else len(datasets or ())
        if given != image.shape[0]:
            raise ValueError(
                f'{len(image)} images with datasets={datasets}: a ViT with experts needs the name of each '
                f"image's dataset, of {', '.join(self.experts)}; in a config, the estimator that tells it "
                "is type='MultiDatasetPoseEstimator'"
            )
        assert datasets is not None
        return datasets if isinstance(datasets, Tensor) else self.route(datasets, image.device)
