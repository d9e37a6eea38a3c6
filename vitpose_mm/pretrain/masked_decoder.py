"""The decoder of the masked autoencoder."""

import torch
from torch import Tensor, nn

from ..layers import Attention, Block, Mlp
from ..layers.block import NORM_EPS
from .masking import Grid, gather, sincos_table


class MaskedDecoder(nn.Module):
    """Predicts the pixels of all patches from the encoded visible ones.

    Source: MAE (arXiv 2111.06377) and its code; as the source.

    Args:
        width: C of the encoder's tokens.
        grid: (Hp, Wp) of the patches.
        pixels: number of values per patch.
        dim: width of the decoder's tokens, a multiple of 4 and of `heads`.
        depth: number of blocks.
        heads: attention heads.

    Raises:
        ValueError: the width does not fit the position table or the heads.
    """

    def __init__(self, width: int, grid: Grid, pixels: int, dim: int = 512, depth: int = 8, heads: int = 16):
        super().__init__()
        self.embed = nn.Linear(width, dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(sincos_table(grid, dim), requires_grad=False)
        self.layers = nn.ModuleList(Block(dim, Attention(dim, heads), Mlp(dim, 4 * dim)) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.pred = nn.Linear(dim, pixels)

    def forward(self, encoded: Tensor, restore: Tensor) -> Tensor:
        """Predict the pixels (B, N, P) of all patches, in their order.

        `encoded` is the cls token and visible patches (B, 1 + V, C), these in shuffled order; `restore` (B, N) is that
        of `masking.Split`.
        """
        cls_token, visible = self.embed(encoded).split([1, encoded.shape[1] - 1], dim=1)
        hidden = self.mask_token.to(visible.dtype).expand(len(visible), restore.shape[1] - visible.shape[1], -1)
        patches = gather(torch.cat([visible, hidden], dim=1), restore) + self.pos_embed
        row = torch.cat([cls_token, patches], dim=1)[:, None]  # as one row; the cls token has no position
        for block in self.layers:
            (row,) = block((row,))
        return self.pred(self.norm(row[:, 0, 1:]))
