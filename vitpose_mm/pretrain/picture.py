"""Pictures of a reconstruction."""

import numpy as np
import torch
from torch import Tensor

from .masking import Grid, patchify, unpatchify

MASK_GRAY = 127.5  # of masked patches


def reconstruction_rows(
    inputs: Tensor, predicted: Tensor, masked: Tensor, mean: Tensor, std: Tensor, grid: Grid
) -> np.ndarray:
    """Draw a row per image, RGB (B * H, 3 * W, 3) uint8: input, masked input, visible patches with the predicted ones.

    `inputs` (B, 3, H, W) are RGB images, normalized by `mean` and `std` (3, 1, 1) of pixels 0 to 255. `predicted`
    patches (B, N, P) of a `grid` (Hp, Wp) are normalized each, and shown with the mean and variance of the true patch,
    as in MAE's demonstration; `masked` (B, N) is 1 for masked.
    """
    side = inputs.shape[2] // grid[0]
    patches, hidden = patchify(inputs, side), masked[..., None].bool()
    variance, center = torch.var_mean(patches, dim=2, keepdim=True)
    restored = torch.where(hidden, predicted.float() * variance.sqrt() + center, patches)
    gray = patchify(((MASK_GRAY - mean) / std).expand_as(inputs), side)
    columns = [unpatchify(column, grid, side) for column in (patches, torch.where(hidden, gray, patches), restored)]
    pixels = (torch.cat(columns, dim=3) * std + mean).clamp(0, 255).round().byte()
    return pixels.permute(0, 2, 3, 1).flatten(0, 1).cpu().numpy()
