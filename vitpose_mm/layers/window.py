"""Windows of a token grid: partition, shift, masks, pooled tokens, as functions of (B, Hp, Wp, C).

Sources: ViTPose section 3.3; Swin (arXiv 2103.14030) for the shift; ViTDet (arXiv 2203.16527) for
padding the grid to whole windows. Differs from ViTDet: padding is masked.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

Side = tuple[int, int]
IS_TRACING = getattr(torch.compiler, 'is_compiling', lambda: False)  # torch 2.1 has no such question


def fit_window(grid: Side, window: Side, shift: bool) -> tuple[Side, Side]:
    """Cut a window to its grid, and say by how many tokens it is shifted.

    An axis that one window covers is not shifted.

    Returns:
        window (h, w) at most the grid, shift (h, w).
    """
    height, width = min(grid[0], window[0]), min(grid[1], window[1])
    return (height, width), (
        height // 2 if shift and height < grid[0] else 0,
        width // 2 if shift and width < grid[1] else 0,
    )


def padded_grid(grid: Side, window: Side) -> Side:
    """The smallest grid of whole windows that holds `grid`."""
    return -(-grid[0] // window[0]) * window[0], -(-grid[1] // window[1]) * window[1]


def partition(x: Tensor, window: Side, shift: Side = (0, 0)) -> Tensor:
    """Cut a grid into windows: (B, Hp, Wp, C) -> (B, G, n, C), n tokens a window, row by row.

    The grid is padded with zeros below and right to whole windows, then rolled up and left by the
    shift, so that a shifted window joins what the grid's opposite edges wrap together.
    """
    batch, grid, dim = x.shape[0], (x.shape[1], x.shape[2]), x.shape[3]
    height, width = padded_grid(grid, window)
    if (height, width) != grid:
        x = F.pad(x, (0, 0, 0, width - grid[1], 0, height - grid[0]))
    if any(shift):
        x = x.roll((-shift[0], -shift[1]), dims=(1, 2))
    x = x.view(batch, height // window[0], window[0], width // window[1], window[1], dim)
    return x.transpose(2, 3).reshape(batch, -1, window[0] * window[1], dim)


def unpartition(windows: Tensor, grid: Side, window: Side, shift: Side = (0, 0)) -> Tensor:
    """Undo `partition`: (B, G, n, C) -> (B, Hp, Wp, C)."""
    batch, dim = windows.shape[0], windows.shape[-1]
    height, width = padded_grid(grid, window)
    x = windows.view(batch, height // window[0], width // window[1], window[0], window[1], dim)
    x = x.transpose(2, 3).reshape(batch, height, width, dim)
    if any(shift):
        x = x.roll(shift, dims=(1, 2))
    return x[:, : grid[0], : grid[1]]


def window_masks(x: Tensor, window: Side, shift: Side) -> tuple[Tensor, Tensor | None]:
    """Which tokens are real, and which pairs of a window may attend to each other.

    A pair may if both are real and came from the same side of the shift's seam. Padding attends to
    itself alone, so that no softmax is empty; its output is cut off. Built once per shape and device.

    Args:
        x: the grid (B, Hp, Wp, C) that the masks are for.
        window: (h, w) in tokens.
        shift: (h, w) in tokens.

    Returns:
        real (G, n), and pairs (G, n, n) or None where all may; both bool.
    """
    # do not cache fake tensors, which are created while tracing, nor return cached ones to a trace
    build = _cached_window_masks if type(x) is Tensor and not IS_TRACING() else _window_masks
    return build((x.shape[1], x.shape[2]), window, shift, x.device)


def _window_masks(grid: Side, window: Side, shift: Side, device: torch.device) -> tuple[Tensor, Tensor | None]:
    with torch.inference_mode(False):  # they outlive this call, and training may save them
        real = partition(torch.ones(1, *grid, 1, device=device), window, shift)[0, :, :, 0].bool()
        if padded_grid(grid, window) == grid and not any(shift):
            return real, None
        side = torch.zeros(padded_grid(grid, window), dtype=torch.long, device=device)
        if shift[0]:
            side[: shift[0]] += 1
        if shift[1]:
            side[:, : shift[1]] += 2
        side = partition(side[None, :, :, None], window, shift)[0, :, :, 0]
        pairs = (side[:, :, None] == side[:, None, :]) & real[:, None, :]
        return real, pairs | torch.eye(window[0] * window[1], dtype=torch.bool, device=device)


_cached_window_masks = lru_cache(maxsize=64)(_window_masks)


def pool_windows(x: Tensor, real: Tensor) -> Tensor:
    """Mean of each window's real tokens: (..., G, n, C), (G, n) -> (..., G, C)."""
    weights = real.to(x.dtype) / real.sum(-1, keepdim=True).to(x.dtype)
    return torch.einsum('...gnc,gn->...gc', x, weights)
