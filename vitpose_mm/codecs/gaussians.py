"""Training heatmaps of a whole batch as tensors, equal to those of MMPose's codecs up to rounding.

All functions take keypoints (B, K, 2) as (x, y) in heatmap cells, fp32, their visibilities (B, K), and the size (w, h)
of a heatmap and the standard deviation of the Gaussian in cells, and return heatmaps (B, K, Hm, Wm) and weights (B, K).
A keypoint with a visibility below 0.5 has an empty heatmap; its weight is its visibility. One whose Gaussian, cut off
at 3 sigma, is outside the heatmap is empty too and has weight 0.
"""

import torch
from torch import Tensor

Targets = tuple[Tensor, Tensor]


def cut_off_gaussians(
    cells: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, between_cells: bool
) -> Targets:
    """Draw Gaussians in a window of 3 sigma, as `UDPHeatmap` and `MSRAHeatmap` encode.

    `between_cells` keeps the position between cells, as UDP, instead of rounding it to a whole cell.
    """
    radius = 3 * sigma
    whole = (cells + 0.5).trunc()
    first, end = (whole - radius).trunc(), (whole + radius + 1).trunc()
    center = first + (2 * radius + 1) // 2 + (cells - whole if between_cells else 0)
    return _draw(center, visible, size, sigma, first, end, is_cut=True)


def whole_gaussians(cells: Tensor, visible: Tensor, size: tuple[int, int], sigma: float) -> Targets:
    """Draw Gaussians over the whole heatmap, as `MSRAHeatmap(unbiased=True)` encodes."""
    return _draw(cells, visible, size, sigma, cells - 3 * sigma, cells + 3 * sigma + 1, is_cut=False)


def _draw(
    center: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, first: Tensor, end: Tensor, is_cut: bool
) -> Targets:
    """Draw the Gaussians whose windows [first, end) (B, K, 2) touch the heatmap, as MMPose decides; cut off or not."""
    (left, top), (right, bottom) = first.unbind(-1), end.unbind(-1)
    inside = (left < size[0]) & (top < size[1]) & (right >= 0) & (bottom >= 0)
    shown, profiles = visible >= 0.5, []
    for i, length in enumerate(size):
        cell = torch.arange(length, device=center.device, dtype=center.dtype)
        values = torch.exp(-((cell - center[..., i, None]) ** 2) / (2 * sigma**2))
        kept = (shown & inside)[..., None]
        if is_cut:
            kept = kept & (cell >= first[..., i, None]) & (cell < end[..., i, None])
        profiles.append(values * kept)
    x, y = profiles
    return y[..., :, None] * x[..., None, :], visible * (inside | ~shown)
