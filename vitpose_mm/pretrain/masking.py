"""Patches of an image, the random choice of those that the encoder sees, and pictures of a reconstruction."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..layers.pos_embed import Grid

MASK_GRAY = 127.5  # of masked patches


class Split(NamedTuple):
    """The random choice of one batch."""

    visible: Tensor  # (B, V) indices of the visible patches, in the order of their noise
    masked: Tensor  # (B, N) float, 1 for masked and 0 for visible
    restore: Tensor  # (B, N) position of each patch in the shuffled order, in which the visible ones come first


def split_patches(noise: Tensor, ratio: float) -> Split:
    """Choose the patches with the smallest noise as visible: noise (B, N) -> `Split` with V = int(N * (1 - ratio)).

    Source: MAE's `random_masking`; as the source.
    """
    count = visible_count(noise.shape[1], ratio)
    restore = noise.argsort(dim=1)
    visible, restore = restore[:, :count], restore.argsort(dim=1)
    return Split(visible, (restore >= count).float(), restore)


def visible_count(patches: int, ratio: float) -> int:
    """Count the visible ones among `patches`. ValueError if none is visible, or none is masked."""
    count = int(patches * (1 - ratio))
    if not 0 < count < patches:
        raise ValueError(
            f'mask_ratio={ratio} of {patches} patches leaves {count} visible and {patches - count} masked: expected '
            'at least one of each; use a larger image or another ratio'
        )
    return count


def mask_noise(seed: int, first: int, count: int, patches: int) -> np.ndarray:
    """Draw noise in [0, 1) for consecutive samples of a training: (count, patches) float64.

    Each number depends only on the seed of the run, the sample's position in the training and the patch. Therefore the
    masks are the same for any number of processes and after a resume. `first` is the position of the first sample:
    samples of all processes before it, >= 0. `count` is the number of samples, `patches` that per image.
    """
    blocks = -(-patches // 4)  # Philox makes four numbers per step of its counter
    noise = np.random.Generator(np.random.Philox(key=seed).advance(first * blocks)).random((count, 4 * blocks))
    return noise[:, :patches]


def patchify(image: Tensor, side: int = 16) -> Tensor:
    """Cut images (B, 3, H, W) into patches (B, N, side * side * 3), row by row; pixels by row, column, channel."""
    rows = image.unfold(2, side, side).unfold(3, side, side)  # (B, 3, Hp, Wp, side, side)
    return rows.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(patches: Tensor, grid: Grid, side: int = 16) -> Tensor:
    """Join patches (B, N, side * side * 3) of a grid (Hp, Wp) into images (B, 3, H, W); inverse of `patchify`."""
    pixels = patches.unflatten(2, (side, side, -1)).unflatten(1, grid)  # (B, Hp, Wp, side, side, 3)
    return pixels.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


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


def gather(tokens: Tensor, index: Tensor) -> Tensor:
    """Pick tokens: (B, N, C) and indices (B, M) -> (B, M, C)."""
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[2]))


def sincos_table(grid: Grid, dim: int) -> Tensor:
    """Make a position table of sines and cosines: (Hp, Wp) -> (1, Hp * Wp, dim).

    The first half of a token's entries encodes its column, the second half its row, each as sines, then cosines.
    Source: MAE, extended to rectangular grids; as the source. ValueError if 4 does not divide `dim`.
    """
    if dim % 4:
        raise ValueError(f'width {dim} of the tokens: sine-cosine positions need a multiple of 4')
    rate = 10000.0 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    row, column = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in grid), indexing='ij')
    angles = [(axis.flatten()[:, None] * rate) for axis in (column, row)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1).float()[None]
