"""The plain ViT that ViTPose is built on."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..checkpoints.validation import check_filled
from ..layers import Block, ExpertMlp, KnowledgeToken, Mlp, PatchEmbed, resize_pos_embed
from ..layers.attention import Streams
from ..layers.block import NORM_EPS
from .layout import attention_layout
from .options import check_keys, check_size, parse_experts, warn_if_transposed
from .routing import Datasets, expert_indices, expert_route
from .vit_checkpoint import adapt_to_vit, add_vit_metadata
from .vit_sizes import parse_size


class PlainViT(nn.Module):
    """Plain vision transformer with a single feature map as its output.

    Source: ViTPose (arXiv 2204.12484) sections 3.1 and 3.3. The position table has no entry for a cls
    token: loading a checkpoint adds that entry to all other entries.

    Checkpoints of this package, MMPose 1.x (mmpretrain), ViTPose's authors, MAE, transformers, timm and
    DINOv2 load without conversion, at any image size, see `checkpoints.origins`.

    Args:
        arch: 'deit-tiny', 'small', 'base', 'large', 'huge', or dict(depth, embed_dim, num_heads[, mlp_ratio]).
        img_size: (h, w) of the input in pixels, multiples of the stride. For inputs of a different size the
            position table is resized.
        stride: distance between patches in pixels; the feature map has 1 / stride of the input size. None for the
            patch size; patches of 16 pixels can also have stride 8, and then overlap.
        attention: 'full', or dict(window_size=(h, w), ...), see `layout.attention_layout`;
            `print(vit.layout)` shows the attention of each block.
        experts: None, or dict(names=[...], expert_dim=192, new_from=None) for ViTPose+: the last `expert_dim` outputs
            of every FFN come from the expert of the image's dataset; `names` lists the datasets. Use
            `MultiDatasetPoseEstimator`, which passes the datasets. The expert of a dataset that the checkpoint does
            not know starts as a copy of the expert of `new_from`, by default of the checkpoint's first dataset.
        knowledge_token: None, or dict(count=1, width=None, frozen=False, pos_embed=False, init=None) for
            learned tokens beside the grid, see `layers.KnowledgeToken`; they are not part of the output.
            `init` is a file of `vitpose token extract`; it is read only when training starts. With
            init='checkpoint' the tokens are the cls token and registers of a timm, DINOv2 or MAE checkpoint.
        in_channels: channels of the image.
        drop_path_rate: drop path rate of the last block, rising linearly from 0 at the first block.
        with_cp: activation checkpointing: less memory, about a third more time per training step.
        pretrain_img_size: (h, w) in pixels that the checkpoint was trained at, needed if the file does not record its
            grid, as our files do. None tries the usual grids of the file's format and the grid of this model.
        patch_size: 16 pixels with ViTPose's padding, or 14 without padding, like DINOv2, for input sides that are
            multiples of 14, such as 252x196. 14x14 kernels load into either, see `adaptation.pad_kernel`.
        init_blocks: None, or 'first' to use the first blocks of a deeper checkpoint. The last norm, which belongs to
            the checkpoint's last block, then starts with weight 1 and bias 0.

    Raises:
        ValueError: an argument is invalid; the message names it and the accepted values.
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
        pretrain_img_size: tuple[int, int] | None = None,
        patch_size: int = 16,
        init_blocks: str | None = None,
    ):
        super().__init__()
        check_size('img_size', img_size)
        check_size('pretrain_img_size', pretrain_img_size)
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f'drop_path_rate={drop_path_rate}: expected a rate >= 0 and < 1')
        if init_blocks not in (None, 'first'):
            raise ValueError(f"init_blocks={init_blocks!r}: expected None or 'first'")
        size = parse_size(arch)
        self.depth, self.embed_dim = depth, dim = size.depth, size.embed_dim
        self.img_size, self.with_cp = tuple(img_size), with_cp
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
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        if knowledge_token is not None:
            check_keys('knowledge_token', knowledge_token, optional=('count', 'width', 'frozen', 'pos_embed', 'init'))
        options = dict(knowledge_token or {})
        self.token_file = options.pop('init', None)
        self.knowledge_token = None if knowledge_token is None else KnowledgeToken(dim, **options)
        self._register_load_state_dict_pre_hook(adapt_to_vit, with_module=True)
        self._register_state_dict_hook(add_vit_metadata)

    def route(
        self, datasets: Sequence[str], device: torch.device | str = 'cpu', per_image: bool = False
    ) -> int | Tensor:
        """Look up the experts of a batch for `forward`; see `routing.expert_indices`."""
        return expert_indices(self.experts, datasets, device, per_image)

    def forward(self, image: Tensor, datasets: Datasets = None) -> tuple[Tensor]:
        """Map images (B, 3, H, W) to a tuple of one feature map (B, C, H / stride, W / stride).

        `datasets` has the dataset of each image, or is the result of `route`; required with experts and ignored
        without. Under `torch.compile` pass indices (B,): one graph serves every mix.

        Raises:
            ValueError: the image is not a float batch; there are experts, but not one dataset per image; or the
                loaded checkpoint has no ViT.
            KeyError: a dataset has no expert.
        """
        check_filled(self)
        streams = self.embed(image)
        streams = self.transform(streams, *expert_route(self.experts, image, datasets))
        return (self.last_norm(streams[0]).permute(0, 3, 1, 2).contiguous(),)

    def embed(self, image: Tensor) -> Streams:
        """Embed images (B, 3, H, W): grid with positions (B, Hp, Wp, C) and, if any, knowledge tokens (B, T, C)."""
        x = self.patch_embed(image)
        grid = (x.shape[1], x.shape[2])
        warn_if_transposed(tuple(image.shape[2:]), self.img_size)
        x = x + resize_pos_embed(self.pos_embed, self.grid, grid).view(1, *grid, -1)
        return (x,) if self.knowledge_token is None else (x, self.knowledge_token(x.shape[0]))

    def transform(self, streams: Streams, *route: int | Tensor) -> Streams:
        """Pass grid and knowledge tokens through all blocks, same shapes; `route` holds the experts, if any."""
        for block in self.layers:
            if self.with_cp and self.training:
                streams = checkpoint(block, streams, *route, use_reentrant=False)
            else:
                streams = block(streams, *route)
        return streams
