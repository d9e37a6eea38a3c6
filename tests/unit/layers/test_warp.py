"""Crops by tensor code are those of cv2.warpAffine, up to one gray level in a few pixels."""

import cv2
import numpy as np
import pytest
import torch

from vitpose_mm.layers.warp import warp_affine


@pytest.mark.parametrize('shape', [(240, 320), (37, 61), (1, 1), (3000, 4)])
@pytest.mark.parametrize('angle', [0, 33, 180])
def test_pixels_are_those_of_opencv(shape, angle):
    random = np.random.default_rng(sum(shape) + angle)
    image = random.integers(0, 256, (*shape, 3), np.uint8)
    centers = random.uniform(-0.2, 1.2, (20, 2)) * shape[::-1]
    matrices = np.stack(
        [cv2.getRotationMatrix2D(tuple(center), angle, 10 ** random.uniform(-2, 2)) for center in centers]
    )
    matrices[:, :, 2] += (48, 64) - centers
    matrices[0] = 0  # which has no inverse
    ours = warp_affine(torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(matrices), (96, 128))
    theirs = np.stack([cv2.warpAffine(image, matrix, (96, 128), flags=cv2.INTER_LINEAR) for matrix in matrices])
    difference = np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.003
    assert theirs.std() > 10
