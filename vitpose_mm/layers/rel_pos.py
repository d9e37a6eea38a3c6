"""Decomposed relative position: one table per axis."""

import torch
from torch import Tensor, nn


class DecomposedRelPos(nn.Module):
    """Attention bias from the query and the offset along each axis: q . Rh[dh] + q . Rw[dw].

    Source: MViTv2 (arXiv 2112.01526) as in ViTDet, which ViTPose cites without details. As in the
    source, the query is not scaled. The tables, and therefore the bias, are initialized to zero.

    Args:
        window: maximum (h, w) of a window in tokens.
        head_dim: width of a head.
    """

    offsets_h: Tensor
    offsets_w: Tensor

    def __init__(self, window: tuple[int, int], head_dim: int):
        super().__init__()
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * window[0] - 1, head_dim))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * window[1] - 1, head_dim))
        # table index of each pair of rows or columns; a smaller window uses the first rows and columns
        for name, side in zip(('offsets_h', 'offsets_w'), window, strict=True):
            index = torch.arange(side)
            self.register_buffer(name, index[:, None] - index[None, :] + side - 1, persistent=False)

    def forward(self, query: Tensor, window: tuple[int, int]) -> Tensor:
        """Compute the bias (..., n, n) for queries (..., n, head_dim) of a window (h, w), n = h * w."""
        height, width = window
        table_h = self.rel_pos_h[self.offsets_h[:height, :height]].to(query.dtype)  # (h, h, head_dim)
        table_w = self.rel_pos_w[self.offsets_w[:width, :width]].to(query.dtype)
        query = query.unflatten(-2, (height, width))
        bias_h = torch.einsum('...hwd,hkd->...hwk', query, table_h)
        bias_w = torch.einsum('...hwd,wkd->...hwk', query, table_w)
        bias = bias_h[..., :, None] + bias_w[..., None, :]  # (..., h, w, h, w)
        return bias.flatten(-2).flatten(-3, -2)
