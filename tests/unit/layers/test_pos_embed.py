"""Resizing position tables to other grids."""

import torch

from vitpose_mm.layers import resize_pos_embed


def test_resize_does_not_mix_rows_and_columns():
    # a table that varies only across columns still does after resizing, and still increases
    columns = torch.linspace(0, 1, 12).expand(16, 12).reshape(1, 192, 1)
    resized = resize_pos_embed(columns, (16, 12), (24, 18)).view(24, 18)
    assert (resized - resized[:1]).abs().max() < 1e-6
    assert (resized[0].diff() > 0).all()


def test_resize_to_the_same_grid_is_the_identity():
    table = torch.randn(1, 192, 4)
    assert resize_pos_embed(table, (16, 12), (16, 12)) is table
