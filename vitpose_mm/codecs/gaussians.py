"""Training heatmaps of a whole batch as tensors, equal to those of MMPose's codecs up to rounding.

All functions take keypoints (B, K, 2) as (x, y) in heatmap cells, fp32, and visibilities (B, K), and return heatmaps
(B, K, Hm, Wm) and weights (B, K). A keypoint with a visibility below 0.5 has an empty heatmap; its weight is its
visibility. One whose Gaussian, cut off at 3 sigma, is outside the heatmap is empty too and has weight 0.
"""

import torch
from torch import Tensor

Targets = tuple[Tensor, Tensor]


def cut_off_gaussians(
    cells: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, between_cells: bool
) -> Targets:
    """Draw Gaussians in a window of 3 sigma, as `UDPHeatmap` and `MSRAHeatmap` encode.

    Args:
        cells: keypoints.
        visible: their visibilities.
        size: (w, h) of a heatmap in cells.
        sigma: standard deviation in cells.
        between_cells: keep the position between cells, as UDP, instead of rounding it to a whole cell.
    """
    radius = 3 * sigma
    whole = (cells + 0.5).trunc()
    first, end = (whole - radius).trunc(), (whole + radius + 1).trunc()
    center = first + (2 * radius + 1) // 2 + (cells - whole if between_cells else 0)
    shown = visible >= 0.5
    inside = _reaches(first, end, size)
    x, y = (
        _profile(center[..., i], length, sigma, first[..., i], end[..., i], shown & inside)
        for i, length in enumerate(size)
    )
    return y[..., :, None] * x[..., None, :], visible * (inside | ~shown)


def whole_gaussians(cells: Tensor, visible: Tensor, size: tuple[int, int], sigma: float) -> Targets:
    """Draw Gaussians over the whole heatmap, as `MSRAHeatmap(unbiased=True)` encodes; arguments as above."""
    shown = visible >= 0.5
    inside = _reaches(cells - 3 * sigma, cells + 3 * sigma + 1, size)
    x, y = (_profile(cells[..., i], length, sigma, None, None, shown & inside) for i, length in enumerate(size))
    return y[..., :, None] * x[..., None, :], visible * (inside | ~shown)


def _reaches(first: Tensor, end: Tensor, size: tuple[int, int]) -> Tensor:
    """Return whether windows from `first` to `end` (B, K, 2) touch the heatmap, as MMPose decides -> (B, K)."""
    (left, top), (right, bottom) = first.unbind(-1), end.unbind(-1)
    return (left < size[0]) & (top < size[1]) & (right >= 0) & (bottom >= 0)


def _profile(
    center: Tensor, length: int, sigma: float, first: Tensor | None, end: Tensor | None, shown: Tensor
) -> Tensor:
    """Evaluate Gaussians (B, K, length) along one axis, 0 outside [first, end) and where not `shown`."""
    cell = torch.arange(length, device=center.device, dtype=center.dtype)
    values = torch.exp(-((cell - center[..., None]) ** 2) / (2 * sigma**2))
    kept = shown[..., None]
    if first is not None and end is not None:
        kept = kept & (cell >= first[..., None]) & (cell < end[..., None])
    return values * kept
