"""Position tables."""

import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int]


def resize_pos_embed(table: Tensor, source: Grid, target: Grid) -> Tensor:
    """Resize a table of a rectangular grid, bicubic: (1, Hs * Ws, C) -> (1, Ht * Wt, C).

    Source: the authors' loader, with the source grid given instead of assumed square.
    """
    if source == target:
        return table
    grid = table.reshape(1, *source, -1).permute(0, 3, 1, 2)
    # bicubic of half precision is missing on some devices; the table is small
    grid = F.interpolate(grid.float(), size=target, mode='bicubic', align_corners=False)
    return grid.flatten(2).transpose(1, 2).to(table.dtype)
