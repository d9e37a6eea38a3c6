"""Crops of an image by affine matrices, on its device."""

import torch
from torch import Tensor
from torch.nn import functional as F

UNITS, STEPS = 1024, 32  # per pixel: to these OpenCV rounds the products of the matrix, and then positions


def warp_affine(image: Tensor, matrices: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop as `cv2.warpAffine` with INTER_LINEAR, at equally rounded positions; gray levels differ by at most 1.

    An image (3, H, W) of any type, fp64 `matrices` (N, 2, 3) on its device, from image pixels to crop pixels, and the
    `size` (w, h) of the crops -> (N, 3, h, w) fp32 in whole gray levels, black outside of the image.
    """
    (a, b, c), (d, e, f) = (row.unbind(-1) for row in matrices.unbind(-2))
    determinant = a * e - b * d
    factor = torch.where(determinant == 0, 0.0, 1 / determinant)
    a, b, d, e = e * factor, -b * factor, -d * factor, a * factor  # the inverse, computed as OpenCV does
    rows = ((a, b, -a * c - b * f), (d, e, -d * c - e * f))
    x, y = (torch.arange(side, device=image.device, dtype=torch.float64) for side in size)
    axes = []
    for (by_x, by_y, start), side in zip(rows, (image.shape[2], image.shape[1]), strict=True):
        units = (by_y[:, None] * y + start[:, None]).mul(UNITS).round()[:, :, None]
        units = units + (by_x[:, None] * x).mul(UNITS).round()[:, None]
        px = (units * STEPS / UNITS + 0.5).floor() / STEPS
        axes.append((px.clamp(-2, side + 1) * 2 + 1) / side - 1)
    grid = torch.stack(axes, -1).float().flatten(0, 1)[None]  # (1, N h, w, 2): one image for all crops
    crops = F.grid_sample(image[None].float(), grid, padding_mode='zeros', align_corners=False)
    return crops[0].unflatten(1, (-1, size[1])).transpose(0, 1).round()
