"""Resize the tensors of a checkpoint whose image size, window size or patch size differs from the model's."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers.pos_embed import Grid, resize_pos_embed
from .key_maps import Log, Weights


def fold_extra_slot(table: Tensor) -> Tensor:
    """Add the leading slot to every position, as the authors' forward does: (1, 1 + N, C) -> (1, N, C)."""
    if table.device.type != 'meta' and not table[:, :1].any():  # adding zeros would turn -0.0 into 0.0
        return table[:, 1:]
    return table[:, 1:] + table[:, :1]


def source_grid(length: int, grids: Sequence[Grid]) -> tuple[Grid, bool]:
    """Find the one grid (Hp, Wp) with `length` entries, and whether there is an extra slot; ValueError otherwise."""
    fits = [(grid, slot) for slot in (False, True) for grid in dict.fromkeys(grids) if math.prod(grid) + slot == length]
    if len(fits) == 1:
        return fits[0]
    names = ['{}x{}'.format(*grid) for grid in dict.fromkeys(grid for grid, _ in fits) or dict.fromkeys(grids)]
    problem = f'can be {" or ".join(names)}' if fits else f'is none of {", ".join(names)}, with or without a cls token'
    raise ValueError(
        f'position table of {length} entries: its grid {problem} (rows x columns of tokens); set the image size that '
        'it was trained at with ViT(pretrain_img_size=(h, w))'
    )


def fit_pos_embed(weights: Weights, key: str, target: Grid, grids: Sequence[Grid], log: Log) -> None:
    """Fold and resize a position table for a grid (Hp, Wp), in place: (1, [1 +] Hs * Ws, C) -> (1, Hp * Wp, C).

    The extra slot is added to 'cls_token' if there is one. `grids` and errors as in `source_grid`.
    """
    table = weights[key]
    source, has_slot = source_grid(table.shape[1], grids)
    if has_slot and 'cls_token' in weights:
        weights['cls_token'] = weights['cls_token'] + table[:, :1]
        table = table[:, 1:]
    elif has_slot:
        log('position table: its extra slot is added to every position')
        table = fold_extra_slot(table)
    if source != target:
        log('position table resized from {}x{} to {}x{}'.format(*source, *target))
    weights[key] = resize_pos_embed(table, source, target)


def fold_layer_scale(weights: Weights, log: Log) -> None:
    """Multiply layer scales (C,) into the projections before them, in place; half precision becomes fp32."""
    scales = [key for key in weights if key.endswith(('.attn.scale', '.mlp.scale'))]
    for key in scales:
        scale = weights.pop(key)
        scale = scale.to(torch.promote_types(scale.dtype, torch.float32))
        layer = key.removesuffix('scale') + ('proj' if '.attn.' in key else 'fc2')
        for name, factor in ((f'{layer}.weight', scale[:, None]), (f'{layer}.bias', scale)):
            if name in weights:
                weights[name] = weights[name] * factor
    if scales:
        log(f'{len(scales)} layer scales are multiplied into the projections')


def resize_rel_pos(table: Tensor, length: int) -> Tensor:
    """Resize a relative position table linearly, as ViTDet's `get_rel_pos`: (2 * side - 1, D) -> (length, D)."""
    if len(table) == length:
        return table
    resized = F.interpolate(table.float().T[None], size=length, mode='linear', align_corners=False)
    return resized[0].T.to(table.dtype)


def pad_kernel(weight: Tensor, size: int, log: Log) -> Tensor:
    """Zero-pad 14x14 kernels as the authors do for MAE's ViT-H, (C, 3, 14, 14) -> (C, 3, size, size); refuse others."""
    kernel = tuple(weight.shape[2:])
    if kernel == (size, size):
        return weight
    if kernel != (14, 14):
        fix = f'set ViT(patch_size={kernel[0]})' if kernel == (16, 16) else 'use one with 16x16 or 14x14'
        raise ValueError(
            f'the checkpoint has patches of {"x".join(map(str, kernel))} pixels, this model has {size}x{size}: '
            f'only 14x14 can be converted, to 16x16; {fix}'
        )
    log(f'patch kernels of 14x14 are padded with zeros to {size}x{size}')
    return F.pad(weight, [(size - 14) // 2] * 4)
