"""Position tables of checkpoints: the extra slot and the source grid."""

import pytest
import torch

from vitpose_mm.checkpoints.adaptation import fold_extra_slot, source_grid


def test_extra_slot_is_added_to_every_position():
    table = torch.randn(1, 13, 8)
    folded = fold_extra_slot(table)
    for position in range(12):
        torch.testing.assert_close(folded[0, position], table[0, position + 1] + table[0, 0])


@pytest.mark.parametrize(
    ('length', 'target', 'expected'),
    [
        (192, (16, 12), ((16, 12), False)),
        (193, (16, 12), ((16, 12), True)),
        (197, (16, 12), ((14, 14), True)),  # MAE at 224x224
        (196, (16, 12), ((14, 14), False)),
        (192, (16, 16), ((16, 12), False)),
        (432, (16, 12), ((24, 18), False)),  # 384x288
        (193, (32, 24), ((16, 12), True)),  # stride 16 into stride 8
        (128, (16, 32), ((8, 16), False)),  # the model's own aspect ratio
        (45, (5, 9), ((5, 9), False)),
    ],
)
def test_source_grid_from_the_number_of_entries(length, target, expected):
    assert source_grid(length, target) == expected


def test_an_explicit_source_grid_takes_precedence():
    assert source_grid(192, (16, 12), (12, 16)) == ((12, 16), False)
    assert source_grid(193, (16, 12), (24, 8)) == ((24, 8), True)
    with pytest.raises(ValueError, match=r'192 entries.*\(7, 9\).*pretrain_img_size'):
        source_grid(192, (16, 12), (7, 9))


def test_the_error_for_an_unknown_source_grid_suggests_pretrain_img_size():
    with pytest.raises(ValueError, match=r'190 entries.*pretrain_img_size'):
        source_grid(190, (16, 12))
