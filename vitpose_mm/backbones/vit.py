"""The plain ViT that ViTPose is built on."""

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..checkpoints.validation import check_filled, init_pretrained
from ..layers import Block, ExpertMlp, Mlp, PatchEmbed, resize_pos_embed
from ..layers.attention import Streams
from ..layers.block import NORM_EPS
from .freezing import frozen_parts
from .layout import attention_layout
from .options import build_token, check_size, parse_experts, warn_if_transposed
from .routing import Datasets, expert_indices, expert_route
from .vit_checkpoint import adapt_to_vit, add_vit_metadata, load_tokens
from .vit_sizes import parse_size


@MODELS.register_module()
class ViT(BaseModule):
    """Plain vision transformer with a single feature map as its output.

    Source: ViTPose (arXiv 2204.12484) sections 3.1 and 3.3. The position table has no entry for a cls
    token: loading a checkpoint adds that entry to all others.

    Checkpoints of this package, MMPose 1.x (mmpretrain), ViTPose's authors, MAE, transformers, timm and
    DINOv2 load without conversion, at any image size, see `checkpoints.formats`.

    Args:
        arch: 'tiny', 'small', 'base', 'large', 'huge', or dict(depth, embed_dim, num_heads[, mlp_ratio]).
        img_size: (h, w) of the input in pixels, multiples of the stride. For an input of another size the
            position table is resized.
        stride: of the patches in pixels: the feature map has 1 / stride of the input size. None for the patch size;
            patches of 16 pixels can also have 8, and then overlap.
        attention: 'full', or dict(window_size=(h, w), ...), see `layout.attention_layout`;
            `print(vit.layout)` shows the attention of each block.
        experts: None, or dict(names=[...], expert_dim=192, new_from=None) for ViTPose+: the last `expert_dim` outputs
            of every FFN come from the expert of the image's dataset; `names` lists the datasets. The
            estimator passes the datasets: use `MultiDatasetPoseEstimator`. A dataset that a checkpoint has no expert
            of starts as the checkpoint's expert of `new_from`, or of its first dataset.
        knowledge_token: None, or dict(count=1, width=None, frozen=False, pos_embed=False, init=None) for
            learned tokens beside the grid, see `layers.KnowledgeToken`; they are not part of the output.
            `init` is a file of `vitpose token extract`; it is read only when training starts. With
            init='checkpoint' they are the cls token and registers of a checkpoint of timm, DINOv2 or MAE.
        in_channels: channels of the image.
        drop_path_rate: drop path rate of the last block, rising linearly from 0 at the first block.
        with_cp: activation checkpointing: less memory, about a third more time per training step.
        freeze: None; 'attention' (with norm1); 'ffn' (with norm2, patch embedding and position table);
            n for patch embedding, position table and the first n blocks; or 'all_but_token', together
            with `freeze=True` of the decoder. Only its own `frozen` freezes the knowledge token. Source:
            ViTPose table 6 and the authors' code, except for n: theirs never froze the first block.
        pretrain_img_size: (h, w) in pixels that the checkpoint was trained at, if it does not record its grid, as ours
            do. None finds the grid among those that its format is known for and that of the model.
        init_cfg: MMEngine's; use dict(type='Pretrained', checkpoint=...).
        patch_size: 16 pixels with ViTPose's padding, or 14 without padding, as DINOv2 has it, for input sides that are
            multiples of 14, such as 252x196. Kernels of 14x14 load into either, see `adaptation.pad_kernel`.
        init_blocks: None, or 'first' to take the first blocks of a deeper checkpoint. The last norm, which belongs to
            the checkpoint's last block, then starts with weight 1 and bias 0.

    Raises:
        ValueError: an argument is not accepted; the message names it and says what is.
    """

    filled: bool | None = None  # see `check_filled`

    def __init__(
        self,
        arch: str | dict = 'base',
        img_size: tuple[int, int] = (256, 192),
        stride: int | None = None,
        attention: str | dict = 'full',
        experts: dict | None = None,
        knowledge_token: dict | None = None,
        in_channels: int = 3,
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
        freeze: str | int | None = None,
        pretrain_img_size: tuple[int, int] | None = None,
        init_cfg: dict | list[dict] | None = None,
        patch_size: int = 16,
        init_blocks: str | None = None,
    ):
        super().__init__(init_cfg)
        check_size('img_size', img_size)
        check_size('pretrain_img_size', pretrain_img_size)
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f'drop_path_rate={drop_path_rate}: expected a rate >= 0 and < 1')
        if init_blocks not in (None, 'first'):
            raise ValueError(f"init_blocks={init_blocks!r}: expected None or 'first'")
        size = parse_size(arch)
        self.depth, self.embed_dim = depth, dim = size.depth, size.embed_dim
        self.img_size, self.with_cp, self.freeze = tuple(img_size), with_cp, freeze
        self.pretrain_img_size, self.init_blocks = pretrain_img_size, init_blocks
        self.layout = attention_layout(depth, attention)
        self.experts, self.expert_dim, self.new_from = parse_experts(experts)
        mlp = partial(ExpertMlp, expert_dim=self.expert_dim, count=len(self.experts)) if experts else Mlp

        self.patch_embed = PatchEmbed(in_channels, dim, stride, patch_size)
        self.grid = self.patch_embed.grid(*img_size)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], dim))
        self.layers = nn.ModuleList(
            Block(
                dim,
                attn.build(dim, size.num_heads, checkpointed=with_cp),
                mlp(dim, int(dim * size.mlp_ratio)),
                drop_path_rate * j / max(depth - 1, 1),
            )
            for j, attn in enumerate(self.layout)
        )
        self.last_norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self._init_parameters()
        self.knowledge_token, self.token_file = build_token(dim, knowledge_token)
        for part in frozen_parts(self):
            part.requires_grad_(False)
        self._register_load_state_dict_pre_hook(adapt_to_vit, with_module=True)
        self._register_state_dict_hook(add_vit_metadata)

    def _init_parameters(self) -> None:
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def init_weights(self) -> None:
        """Read the files of `init_cfg` and of the knowledge token's `init`; the Runner calls it before training."""
        init_pretrained(self, super().init_weights)
        load_tokens(self)

    def train(self, mode: bool = True) -> 'ViT':
        """Switch to training mode, except for frozen modules, which stay in evaluation mode."""
        super().train(mode)
        for part in frozen_parts(self):
            if isinstance(part, nn.Module):
                part.eval()
        return self

    def layer_id(self, name: str) -> int:
        """Layer of a parameter for layer-wise learning rate decay.

        Args:
            name: the parameter's name relative to the backbone.

        Returns:
            0 for patch embedding, position table and knowledge tokens; j + 1 for block j; `depth` + 1 for
            the rest, which includes projection and position embedding of the knowledge tokens: like the
            head, they are trained from scratch.
        """
        first, *rest = name.split('.')
        if first in ('patch_embed', 'pos_embed') or name == 'knowledge_token.tokens':
            return 0
        return int(rest[0]) + 1 if first == 'layers' else self.depth + 1

    def route(
        self, datasets: Sequence[str], device: torch.device | str = 'cpu', per_image: bool = False
    ) -> int | Tensor:
        """The experts of a batch, for `forward`; see `routing.expert_indices`."""
        return expert_indices(self.experts, datasets, device, per_image)

    def forward(self, image: Tensor, datasets: Datasets = None) -> tuple[Tensor]:
        """(B, 3, H, W) -> one feature map (B, C, H / stride, W / stride).

        Args:
            image: the batch.
            datasets: the dataset of each image, or the result of `route`; required with experts and
                ignored without. Under `torch.compile` pass indices (B,): one graph serves every mix.

        Raises:
            ValueError: the image is not a float batch; there are experts, but not one dataset per image; or the
                checkpoint that was loaded has no ViT.
            KeyError: a dataset has no expert.
        """
        check_filled(self)
        streams = self.embed(image)
        streams = self.transform(streams, *expert_route(self.experts, image, datasets))
        return (self.last_norm(streams[0]).permute(0, 3, 1, 2).contiguous(),)

    def embed(self, image: Tensor) -> Streams:
        """(B, 3, H, W) -> the grid with positions (B, Hp, Wp, C) and, if there are any, knowledge tokens (B, T, C)."""
        x = self.patch_embed(image)
        grid = (x.shape[1], x.shape[2])
        warn_if_transposed(tuple(image.shape[2:]), self.img_size)
        x = x + resize_pos_embed(self.pos_embed, self.grid, grid).view(1, *grid, -1)
        return (x,) if self.knowledge_token is None else (x, self.knowledge_token(x.shape[0]))

    def transform(self, streams: Streams, *route: int | Tensor) -> Streams:
        """Grid and knowledge tokens through all blocks -> the same shapes; `route` holds the experts, if any."""
        for block in self.layers:
            if self.with_cp and self.training:
                streams = checkpoint(block, streams, *route, use_reentrant=False)
            else:
                streams = block(streams, *route)
        return streams
