"""How widely a heatmap is spread around its peak: tensors in, tensors out, pure torch, traceable.

All functions take heatmaps (B, K, Hm, Wm) in fp32, peaks (B, K, 2) as (x, y) in heatmap cells, and `reach`, the cells
from a peak to the border of its window. Values below 0 count as 0.
"""

import torch
from torch import Tensor

EPS = 1e-6  # added to a window's weights, so that an empty window counts as flat


def peak_covariances(heatmaps: Tensor, cells: Tensor, reach: int) -> Tensor:
    """Compute the second moments of heatmaps around their peaks, in a window -> (B, K, 2, 2) in cells squared, (x, y).

    They include the Gaussian that the network was trained with: a heatmap equal to its label has sigma squared.
    """
    height, width = heatmaps.shape[2:]
    steps = torch.arange(-reach, reach + 1, device=heatmaps.device)
    nearest = (cells + 0.5).floor().long()
    x, y = (nearest[..., i, None].clamp(0, size - 1) + steps for i, size in enumerate((width, height)))
    is_inside = ((y >= 0) & (y < height))[..., :, None] & ((x >= 0) & (x < width))[..., None, :]
    index = y.clamp(0, height - 1)[..., :, None] * width + x.clamp(0, width - 1)[..., None, :]
    window = heatmaps.flatten(2).gather(2, index.flatten(2)).view_as(index)
    weights = (window.clamp(min=0) + EPS) * is_inside
    weights = weights / weights.sum((-2, -1), keepdim=True)
    dx, dy = x - cells[..., :1], y - cells[..., 1:]
    xx, yy = (weights.sum(-2) * dx**2).sum(-1), (weights.sum(-1) * dy**2).sum(-1)
    xy = ((weights * dy[..., :, None]).sum(-2) * dx).sum(-1)
    return torch.stack((xx, xy, xy, yy), -1).unflatten(-1, (2, 2))


def rival_peaks(heatmaps: Tensor, cells: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Compute a heatmap's share of mass outside the peak's window, and the largest value there relative to the peak.

    Each is (B, K) in [0, 1]; 0 where a heatmap has no positive value.
    """
    values = heatmaps.clamp(min=0)
    near_x, near_y = (
        (torch.arange(size, device=heatmaps.device) - cells[..., i, None]).abs() <= reach
        for i, size in enumerate((heatmaps.shape[3], heatmaps.shape[2]))
    )
    others = values * ~(near_y[..., :, None] & near_x[..., None, :])
    mass, peak = values.sum((-2, -1)), values.amax((-2, -1))
    return others.sum((-2, -1)) / mass.clamp(min=EPS), others.amax((-2, -1)) / peak.clamp(min=EPS)
