"""Resizing position tables to other grids."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from vitpose_mm.layers import resize_pos_embed


def test_resize_does_not_mix_rows_and_columns_and_keeps_a_table_that_fits():
    # a table that varies only across columns still does after resizing, and still increases
    columns = torch.linspace(0, 1, 12).expand(16, 12).reshape(1, 192, 1)
    resized = resize_pos_embed(columns, (16, 12), (24, 18)).view(24, 18)
    assert (resized - resized[:1]).abs().max() < 1e-6
    assert (resized[0].diff() > 0).all()
    assert resize_pos_embed(columns, (16, 12), (16, 12)) is columns


sides = st.tuples(st.integers(1, 12), st.integers(1, 12))


@given(sides, sides)
def test_resizing_between_any_two_grids(source, target):
    """Constants stay; resizing is linear, and swapping the axes before it equals swapping them after it."""
    random = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 1, source[0] * source[1], 3, generator=random, dtype=torch.float64)
    constant = torch.full_like(one, 0.7)
    assert (resize_pos_embed(constant, source, target) - 0.7).abs().max() < 1e-6
    resized = resize_pos_embed(one, source, target)
    assert resized.shape == (1, target[0] * target[1], 3) and resized.dtype == one.dtype
    both = resize_pos_embed(one + other, source, target)
    torch.testing.assert_close(both, resized + resize_pos_embed(other, source, target), rtol=0, atol=1e-5)

    def swap(table, grid):
        return table.view(1, *grid, 3).transpose(1, 2).reshape(1, -1, 3)

    turned = resize_pos_embed(swap(one, source), source[::-1], target[::-1])
    torch.testing.assert_close(turned, swap(resized, target), rtol=0, atol=1e-5)
