"""Resize the tensors of a checkpoint whose image size, window size or patch size differs from the model's."""

import math

import torch.nn.functional as F
from torch import Tensor

from ..layers import resize_pos_embed

Grid = tuple[int, int]


def fold_extra_slot(table: Tensor) -> Tensor:
    """Add the leading slot (MAE's cls token) to every position: (1, 1 + N, C) -> (1, N, C).

    The authors' forward adds `table[1:] + table[:1]`, and the slot of fine-tuned checkpoints is not
    zero, so it must not be dropped. Source: the authors' code; as the source.
    """
    return table[:, 1:] + table[:, :1]


def source_grid(length: int, target: Grid, given: Grid | None = None) -> tuple[Grid, bool]:
    """Find the grid (Hp, Wp) of a position table, and whether it has an extra leading slot.

    Tried in this order, each without and with the extra slot: the given grid, or else a grid of the
    target's aspect ratio, of 4:3 (256x192, 384x288), and a square (MAE, 224x224).

    Args:
        length: number of entries of the stored table.
        target: token grid of the model that loads it.
        given: token grid that the table was trained at, if known.

    Returns:
        (Hp, Wp) and True if an extra slot comes first.

    Raises:
        ValueError: none of these grids has that many entries.
    """
    for height, width in (given,) if given else (target, (4, 3), (1, 1)):
        for extra in (0, 1):
            factor = math.sqrt((length - extra) / (height * width))
            grid = (round(height * factor), round(width * factor))
            exact = math.prod(grid) == length - extra and grid[0] * width == grid[1] * height
            if exact and (given is None or grid == given):
                return grid, bool(extra)
    expected = (
        f'the grid {given} of pretrain_img_size'
        if given
        else f"a grid of the model's aspect ratio {target}, of 4:3 or a square"
    )
    raise ValueError(
        f'position table of {length} entries: expected {expected}, with or without a cls token; set the image size '
        'that it was trained at with ViT(pretrain_img_size=(h, w))'
    )


def fit_pos_embed(table: Tensor, target: Grid, given: Grid | None = None) -> Tensor:
    """Fold and resize a position table for a grid (Hp, Wp): (1, [1 +] Hs * Ws, C) -> (1, Hp * Wp, C).

    Raises:
        ValueError: its own grid cannot be found, see `source_grid`.
    """
    source, has_slot = source_grid(table.shape[1], target, given)
    return resize_pos_embed(fold_extra_slot(table) if has_slot else table, source, target)


def resize_rel_pos(table: Tensor, length: int) -> Tensor:
    """Resize a relative position table linearly: (2 * side - 1, D) -> (length, D).

    Source: ViTDet's `get_rel_pos`; as the source.
    """
    if len(table) == length:
        return table
    resized = F.interpolate(table.float().T[None], size=length, mode='linear', align_corners=False)
    return resized[0].T.to(table.dtype)


def pad_kernel(weight: Tensor, size: int) -> Tensor:
    """Zero-pad a 14x14 patch kernel by one pixel on each side to 16x16: (C, 3, 14, 14) -> (C, 3, size, size).

    Source: the authors' loader, for MAE's ViT-H; as the source.

    Raises:
        ValueError: the kernel has any other size.
    """
    kernel = tuple(weight.shape[2:])
    if kernel == (size, size):
        return weight
    if kernel != (14, 14):
        raise ValueError(
            f'the checkpoint has patches of {"x".join(map(str, kernel))} pixels, this model of {size}x{size}: '
            'only 14x14 can be converted; use a checkpoint with 16x16 or 14x14 patches'
        )
    return F.pad(weight, [(size - 14) // 2] * 4)
