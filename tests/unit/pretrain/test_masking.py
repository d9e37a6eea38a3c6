"""Masks, patches and position tables of pre-training, against plain loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitpose_mm.pretrain.masking import (
    gather,
    mask_noise,
    patchify,
    sincos_table,
    split_patches,
    unpatchify,
    visible_count,
)


def plain_patches(image, side):
    """Patches (N, side * side * 3) of one image (3, H, W), pixel by pixel."""
    _, height, width = image.shape
    patches = []
    for top in range(0, height, side):
        for left in range(0, width, side):
            pixels = [image[c, top + y, left + x] for y in range(side) for x in range(side) for c in range(3)]
            patches.append(pixels)
    return np.array(patches)


@pytest.mark.parametrize('side', [16, 14])
def test_patches_equal_a_plain_loop_and_come_back(side):
    image = torch.randn(2, 3, 3 * side, 2 * side, dtype=torch.float64)
    patches = patchify(image, side)
    for one, found in zip(image.numpy(), patches.numpy(), strict=True):
        assert np.array_equal(plain_patches(one, side), found)
    assert torch.equal(unpatchify(patches, (3, 2), side), image)


def test_the_smallest_noise_is_visible():
    noise = torch.rand(5, 12, generator=torch.Generator().manual_seed(0))
    split = split_patches(noise, 0.75)
    for row, visible, masked, restore in zip(noise.tolist(), *(part.tolist() for part in split), strict=True):
        order = sorted(range(12), key=row.__getitem__)
        assert visible == order[:3]
        assert masked == [float(index not in order[:3]) for index in range(12)]
        assert [order[place] for place in restore] == list(range(12))


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 2**31), st.integers(0, 999), st.integers(1, 5))
def test_masks_of_any_size(patches, ratio, seed, first, count):
    """Each patch is visible or masked; the masks of a sample do not depend on the batch that it is in."""
    visible = int(patches * (1 - ratio))
    if not 0 < visible < patches:
        with pytest.raises(ValueError, match='at least one of each'):
            visible_count(patches, ratio)
        return
    noise = mask_noise(seed, first, count, patches)
    assert noise.shape == (count, patches) and 0 <= noise.min() and noise.max() < 1
    split = split_patches(torch.from_numpy(noise), ratio)
    assert split.visible.shape == (count, visible)
    assert torch.equal(split.masked.sum(1), torch.full((count,), patches - float(visible)))
    assert not split.masked.gather(1, split.visible).any()
    assert torch.equal(split.restore.sort(1).values, torch.arange(patches).expand(count, -1))
    assert torch.equal(split.restore.gather(1, split.visible), torch.arange(visible).expand(count, -1))
    assert np.array_equal(mask_noise(seed, first + count - 1, 1, patches)[0], noise[-1])
    assert not np.array_equal(mask_noise(seed + 1, first, count, patches), noise)


def test_shuffled_tokens_come_back():
    tokens = torch.randn(2, 12, 4)
    noise = torch.rand(2, 12)
    assert torch.equal(gather(gather(tokens, noise.argsort(1)), split_patches(noise, 0.5).restore), tokens)


@pytest.mark.parametrize(('patches', 'ratio'), [(1, 0.75), (3, 0.75), (48, 1e-17)])
def test_a_ratio_that_leaves_nothing_is_refused(patches, ratio):
    with pytest.raises(ValueError, match=f'mask_ratio={ratio} of {patches} patches leaves'):
        visible_count(patches, ratio)


def test_the_number_of_visible_patches_is_rounded_down():
    assert visible_count(196, 0.75) == 49
    assert visible_count(10, 0.75) == 2


@pytest.mark.parametrize('patches', [12, 13])
def test_masks_do_not_depend_on_batches_or_processes(patches):
    whole = mask_noise(3, 0, 24, patches)
    assert whole.shape == (24, patches) and 0 <= whole.min() and whole.max() < 1
    batches = [mask_noise(3, first, 6, patches) for first in range(0, 24, 6)]
    assert np.array_equal(np.concatenate(batches), whole)
    assert len(np.unique(whole)) == whole.size
    assert not np.array_equal(mask_noise(4, 0, 24, patches), whole)


def test_the_position_table_equals_a_plain_loop():
    rows, columns, dim = 3, 5, 16
    table = sincos_table((rows, columns), dim)[0]
    for row in range(rows):
        for column in range(columns):
            expected = []
            for place in (column, row):
                angles = [place / 10000 ** (4 * i / dim) for i in range(dim // 4)]
                expected += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
            assert table[row * columns + column].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_width_without_positions_is_refused():
    with pytest.raises(ValueError, match='width 18 .* multiple of 4'):
        sincos_table((2, 2), 18)
