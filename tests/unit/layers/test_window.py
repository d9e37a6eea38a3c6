"""Window functions: partition and unpartition, masks, pooling."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from vitpose_mm.layers.window import fit_window, padded_grid, partition, pool_windows, unpartition, window_masks

CASES = [((8, 8), (4, 4)), ((7, 9), (4, 4)), ((5, 11), (3, 2)), ((12, 3), (8, 8)), ((4, 6), (1, 6))]


@pytest.mark.parametrize(('grid', 'window'), CASES)
@pytest.mark.parametrize('shifted', [False, True])
def test_unpartition_undoes_partition(grid, window, shifted):
    window, shift = fit_window(grid, window, shifted)
    x = torch.randn(2, *grid, 3)
    windows = partition(x, window, shift)
    padded = padded_grid(grid, window)
    assert windows.shape == (2, padded[0] // window[0] * (padded[1] // window[1]), window[0] * window[1], 3)
    assert torch.equal(unpartition(windows, grid, window, shift), x)


sides = st.tuples(st.integers(1, 11), st.integers(1, 11))


@given(sides, sides, st.booleans())
def test_windows_of_any_grid(grid, window, shifted):
    """Each token is in exactly one window, padding is masked, and attention between real tokens is mutual."""
    window, shift = fit_window(grid, window, shifted)
    x = torch.arange(1.0, 1 + grid[0] * grid[1]).view(1, *grid, 1)
    windows = partition(x, window, shift)
    real, pairs = window_masks(x, window, shift)
    assert torch.equal(unpartition(windows, grid, window, shift), x)
    assert torch.equal(windows[0, :, :, 0] > 0, real)
    assert sorted(windows[0, :, :, 0][real].tolist()) == x.flatten().tolist()
    height, width = padded_grid(grid, window)
    assert grid[0] <= height < grid[0] + window[0] and grid[1] <= width < grid[1] + window[1]
    if pairs is not None:
        assert torch.equal(pairs & real[:, :, None], (pairs & real[:, :, None]).transpose(1, 2))  # of real tokens
        assert pairs.diagonal(dim1=1, dim2=2).all()
        assert not (pairs & ~real[:, None, :]).logical_and(~torch.eye(real.shape[1], dtype=torch.bool)).any()


def test_partition_of_a_small_grid():
    x = torch.arange(24).view(1, 4, 6, 1)
    windows = partition(x, (2, 3))[0, :, :, 0].tolist()
    assert windows == [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11], [12, 13, 14, 18, 19, 20], [15, 16, 17, 21, 22, 23]]
    assert partition(x, (2, 3), (1, 1))[0, 0, :, 0].tolist() == [7, 8, 9, 13, 14, 15]


def test_window_is_clipped_to_the_grid_and_a_fully_covered_axis_is_not_shifted():
    assert fit_window((32, 24), (8, 8), True) == ((8, 8), (4, 4))
    assert fit_window((5, 24), (8, 8), True) == ((5, 8), (0, 4))
    assert fit_window((5, 6), (8, 8), True) == ((5, 6), (0, 0))
    assert fit_window((32, 24), (8, 8), False) == ((8, 8), (0, 0))


@pytest.mark.parametrize(('grid', 'window'), CASES)
@pytest.mark.parametrize('shifted', [False, True])
def test_masks_equal_a_loop_over_pairs(grid, window, shifted):
    window, shift = fit_window(grid, window, shifted)
    real, pairs = window_masks(torch.empty(1, *grid, 1), window, shift)
    height, width = padded_grid(grid, window)
    assert (pairs is None) == (not any(shift) and (height, width) == grid)
    if pairs is None:
        pairs = torch.ones(*real.shape, real.shape[1], dtype=torch.bool)
    positions = torch.cartesian_prod(torch.arange(height), torch.arange(width)).view(1, height, width, 2)
    positions = partition(positions, window, shift)[0]
    for g, row in enumerate(positions.tolist()):
        for i, (y, x) in enumerate(row):
            assert real[g, i] == (y < grid[0] and x < grid[1])
            for j, (v, u) in enumerate(row):
                # tokens that the shift wrapped into one window are further apart than the window size
                near = abs(y - v) < window[0] and abs(x - u) < window[1]
                assert pairs[g, i, j] == (i == j or (near and v < grid[0] and u < grid[1])), (g, i, j)


def test_pooled_tokens_are_means_of_real_tokens():
    x = torch.randn(2, 3, 5, 4)
    real, _ = window_masks(x, (2, 3), (0, 0))
    pooled = pool_windows(partition(x, (2, 3)), real)
    expected = torch.stack(
        [x[:, :2, :3].mean((1, 2)), x[:, :2, 3:].mean((1, 2)), x[:, 2:, :3].mean((1, 2)), x[:, 2:, 3:].mean((1, 2))],
        dim=1,
    )
    torch.testing.assert_close(pooled, expected)


def test_masks_made_in_inference_mode_work_in_training():
    with torch.inference_mode():
        real, pairs = window_masks(torch.empty(1, 7, 19, 1), (4, 4), (2, 2))
    assert not real.is_inference() and not pairs.is_inference()


def test_masks_of_fake_tensors_are_not_cached():
    def masks():
        return window_masks(torch.empty(1, 6, 23, 1), (4, 4), (2, 2))

    with FakeTensorMode():
        assert {type(mask).__name__ for mask in masks()} == {'FakeTensor'}
    real, pairs = masks()
    assert type(real) is type(pairs) is torch.Tensor and real.sum() == 6 * 23
    with FakeTensorMode():
        assert {type(mask).__name__ for mask in masks()} == {'FakeTensor'}
    assert masks()[0] is real
