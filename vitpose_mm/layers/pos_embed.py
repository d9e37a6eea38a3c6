"""Learned position tables: fold the slot of a cls token, find the grid they came from, resize."""

import math

import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int]


def fold_extra_slot(table: Tensor) -> Tensor:
    """Add the leading slot (MAE's cls token) to every position: (1, 1 + N, C) -> (1, N, C).

    The authors' forward adds `table[1:] + table[:1]`; in fine-tuned checkpoints the slot is not
    zero, so it must be folded and not dropped. Source: the authors' code; as the source.
    """
    return table[:, 1:] + table[:, :1]


def source_grid(length: int, target: Grid, given: Grid | None = None) -> tuple[Grid, bool]:
    """Find the grid (Hp, Wp) of a table of `length` entries, and whether it has an extra leading slot.

    Tried in this order, each without and with the extra slot: the grid that is given; the target
    itself; a grid of the target's proportions; 4:3 (256x192, 384x288); a square (MAE, 224x224).

    Args:
        length: entries of the stored table.
        target: token grid of the model that loads it.
        given: the token grid the table was trained at, if known.

    Returns:
        (Hp, Wp) and True if an extra slot comes first.

    Raises:
        ValueError: no such grid has that many entries.
    """
    for height, width in (given,) if given else (target, (4, 3), (1, 1)):
        for extra in (0, 1):
            factor = math.sqrt((length - extra) / (height * width))
            grid = (round(height * factor), round(width * factor))
            exact = math.prod(grid) == length - extra and grid[0] * width == grid[1] * height
            if exact and (given is None or grid == given):
                return grid, bool(extra)
    raise ValueError(
        f'position table of {length} entries: it fits '
        + (
            f'not the grid {given} of pretrain_img_size'
            if given
            else f"neither the proportions of the model's grid {target} nor 4:3 nor a square"
        )
        + ", with or without a cls token's slot; give the image size it was trained at with "
        'ViT(pretrain_img_size=(h, w))'
    )


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
