"""Windows of a token grid (B, Hp, Wp, C): partition, shift, masks and pooled tokens.

Sources: ViTPose section 3.3; Swin (arXiv 2103.14030) for the shift; ViTDet (arXiv 2203.16527) for
padding the grid to whole windows. Unlike in ViTDet, padding is masked.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

Side = tuple[int, int]
IS_TRACING = getattr(torch.compiler, 'is_compiling', lambda: False)  # torch 2.1 does not have it


def fit_window(grid: Side, window: Side, shift: bool) -> tuple[Side, Side]:
    """Limit a window to the size of the grid and compute its shift, both (h, w) in tokens.

    Windows are not shifted along an axis that a single window covers.
    """
    height, width = min(grid[0], window[0]), min(grid[1], window[1])
    return (height, width), (
        height // 2 if shift and height < grid[0] else 0,
        width // 2 if shift and width < grid[1] else 0,
    )


def padded_grid(grid: Side, window: Side) -> Side:
    """Return the smallest grid of whole windows that contains `grid`."""
    return -(-grid[0] // window[0]) * window[0], -(-grid[1] // window[1]) * window[1]


def partition(x: Tensor, window: Side, shift: Side = (0, 0)) -> Tensor:
    """Cut a grid into windows: (B, Hp, Wp, C) -> (B, G, n, C), with the n tokens of a window in row-major order.

    The grid is zero-padded at the bottom and right to whole windows, then rolled up and left by the
    shift. The windows at the end of a shifted axis therefore contain tokens from both edges of the grid.
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
    """Find the tokens that are not padding, and the pairs of tokens in a window that may attend to each other.

    A pair may attend if neither is padding and both come from the same edge of the grid. A padding token attends only
    to itself, so that no softmax is empty; its output is discarded. The masks are cached per shape and device.

    `x` is the grid (B, Hp, Wp, C) that is partitioned; window and shift are (h, w) in tokens. Returns bool masks:
    tokens that are not padding (G, n); allowed pairs (G, n, n), or None if all are allowed.
    """
    # do not cache fake tensors, which are created while tracing, nor return cached ones to a trace
    build = _cached_window_masks if type(x) is Tensor and not IS_TRACING() else _window_masks
    return build((x.shape[1], x.shape[2]), window, shift, x.device)


def _window_masks(grid: Side, window: Side, shift: Side, device: torch.device) -> tuple[Tensor, Tensor | None]:
    with torch.inference_mode(False):  # the cache may return them to a training step later
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
    """Average the tokens of each window, padding excluded: (..., G, n, C), mask (G, n) -> (..., G, C)."""
    weights = real.to(x.dtype) / real.sum(-1, keepdim=True).to(x.dtype)
    return torch.einsum('...gnc,gn->...gc', x, weights)
