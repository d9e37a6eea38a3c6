"""Masks, patches and position tables of pre-training, against plain loops."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitpose_mm.pretrain.masking import mask_noise, patchify, sincos_table, split_patches, unpatchify, visible_count


@pytest.mark.parametrize('side', [16, 14])
def test_patches_equal_a_plain_loop_and_come_back(side):
    image = torch.randn(2, 3, 3 * side, 2 * side, dtype=torch.float64)
    patches = patchify(image, side)
    for n, (top, left) in enumerate(itertools.product(range(0, 3 * side, side), range(0, 2 * side, side))):
        pixels = [image[:, :, top + y, left + x] for y in range(side) for x in range(side)]
        assert torch.equal(patches[:, n], torch.cat(pixels, dim=1))
    assert torch.equal(unpatchify(patches, (3, 2), side), image)


@given(st.integers(1, 60), st.floats(1e-17, 0.99), st.integers(0, 2**31), st.integers(0, 999), st.integers(1, 5))
def test_masks_of_any_size(patches, ratio, seed, first, count):
    """Each patch is visible or masked; the masks of a sample do not depend on the batch that it is in."""
    visible = int(patches * (1 - ratio))
    if not 0 < visible < patches:
        with pytest.raises(ValueError, match=f'mask_ratio={ratio} of {patches} patches leaves .*at least one of each'):
            visible_count(patches, ratio)
        return
    noise = mask_noise(seed, first, count, patches)
    assert noise.shape == (count, patches) and 0 <= noise.min() and noise.max() < 1
    assert len(np.unique(noise)) == noise.size
    split = split_patches(torch.from_numpy(noise), ratio)
    assert split.visible.shape == (count, visible)
    assert torch.equal(split.masked.sum(1), torch.full((count,), patches - float(visible)))
    assert not split.masked.gather(1, split.visible).any()
    assert torch.equal(split.restore.sort(1).values, torch.arange(patches).expand(count, -1))
    assert torch.equal(split.restore.gather(1, split.visible), torch.arange(visible).expand(count, -1))
    assert np.array_equal(mask_noise(seed, first + count - 1, 1, patches)[0], noise[-1])
    assert not np.array_equal(mask_noise(seed + 1, first, count, patches), noise)


def test_the_position_table_equals_a_plain_loop():
    rows, columns, dim = 3, 5, 16
    table = sincos_table((rows, columns), dim)[0]
    for row in range(rows):
        for column in range(columns):
            expected = []
            for position in (column, row):
                angles = [position / 10000 ** (4 * i / dim) for i in range(dim // 4)]
                expected += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
            assert table[row * columns + column].tolist() == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match='width 18 .* multiple of 4'):
        sincos_table((2, 2), 18)
