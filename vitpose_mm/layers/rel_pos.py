"""Decomposed relative position: one table an axis."""

import torch
from torch import Tensor, nn


class DecomposedRelPos(nn.Module):
    """Bias of attention from the query and the offset along each axis: q . Rh[dh] + q . Rw[dw].

    Source: MViTv2 (arXiv 2112.01526) as in ViTDet, which ViTPose cites without naming the form. The
    query is not scaled, as there. The tables start at zero, so the bias does.

    Args:
        window: largest (h, w) of a window in tokens.
        head_dim: width of a head.
    """

    def __init__(self, window: tuple[int, int], head_dim: int):
        super().__init__()
        self.window = window
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * window[0] - 1, head_dim))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * window[1] - 1, head_dim))

    def forward(self, query: Tensor, window: tuple[int, int]) -> Tensor:
        """(..., n, head_dim), window (h, w) with h * w = n -> bias (..., n, n)."""
        height, width = window
        tables = []
        for table, largest, side in ((self.rel_pos_h, self.window[0], height),
                                     (self.rel_pos_w, self.window[1], width)):
            place = torch.arange(side, device=query.device)
            tables.append(table[place[:, None] - place[None, :] + largest - 1])  # (side, side, head_dim)
        query = query.unflatten(-2, (height, width))
        bias_h = torch.einsum('...hwd,hkd->...hwk', query, tables[0].to(query.dtype))
        bias_w = torch.einsum('...hwd,wkd->...hwk', query, tables[1].to(query.dtype))
        bias = bias_h[..., :, None] + bias_w[..., None, :]  # (..., h, w, h, w)
        return bias.flatten(-2).flatten(-3, -2)
