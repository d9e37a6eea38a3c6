"""Window functions: partition and unpartition, masks; test_attention.py has their order and pooling."""

import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from vitpose_mm.layers.window import fit_window, padded_grid, partition, unpartition, window_masks

sides = st.tuples(st.integers(1, 11), st.integers(1, 11))


@given(sides, sides, st.booleans())
@example((8, 8), (4, 4), True)
@example((12, 3), (8, 8), True)
@example((4, 6), (1, 6), False)
def test_windows_and_masks_of_any_grid(grid, window, shifted):
    """Each token is in exactly one window; the masks equal those by the coordinates of each pair of tokens."""
    window, shift = fit_window(grid, window, shifted)
    x = torch.arange(1.0, 1 + 2 * grid[0] * grid[1] * 3).view(2, *grid, 3)
    windows, padded = partition(x, window, shift), padded_grid(grid, window)
    assert all(size <= side < size + step for size, side, step in zip(grid, padded, window, strict=True))
    assert windows.shape == (2, padded[0] // window[0] * (padded[1] // window[1]), window[0] * window[1], 3)
    assert torch.equal(unpartition(windows, grid, window, shift), x)
    real, pairs = window_masks(x, window, shift)
    assert torch.equal(windows[0, :, :, 0] > 0, real)
    assert sorted(windows[0, :, :, 0][real].tolist()) == x[0, :, :, 0].flatten().tolist()
    assert (pairs is None) == (not any(shift) and padded == grid)
    positions = torch.cartesian_prod(*map(torch.arange, padded)).view(1, *padded, 2)
    positions = partition(positions, window, shift)[0]
    assert torch.equal(real, (positions < torch.tensor(grid)).all(-1))
    # tokens that the shift wrapped into one window are further apart than the window size
    apart = (positions[:, :, None] - positions[:, None]).abs()
    expected = (apart < torch.tensor(window)).all(-1) & real[:, None] | torch.eye(real.shape[1], dtype=torch.bool)
    assert torch.equal(expected.new_ones(expected.shape) if pairs is None else pairs, expected)


def test_window_is_clipped_to_the_grid_and_a_fully_covered_axis_is_not_shifted():
    assert fit_window((32, 24), (8, 8), True) == ((8, 8), (4, 4))
    assert fit_window((5, 24), (8, 8), True) == ((5, 8), (0, 4))
    assert fit_window((5, 6), (8, 8), True) == ((5, 6), (0, 0))
    assert fit_window((32, 24), (8, 8), False) == ((8, 8), (0, 0))


def test_cached_masks_are_no_inference_tensors():
    with torch.inference_mode():
        real, pairs = window_masks(torch.empty(1, 7, 19, 1), (4, 4), (2, 2))
    assert not real.is_inference() and not pairs.is_inference()


def test_masks_of_fake_tensors_are_not_cached():
    def masks():
        return window_masks(torch.empty(1, 6, 23, 1), (4, 4), (2, 2))

    for _ in range(2):
        with FakeTensorMode():
            assert {type(mask).__name__ for mask in masks()} == {'FakeTensor'}
        real, pairs = masks()
        assert type(real) is type(pairs) is torch.Tensor and real.sum() == 6 * 23
    assert masks()[0] is real
