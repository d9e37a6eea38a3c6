"""Position tables of checkpoints, and layer scales."""

import pytest
import torch

from vitpose_mm.checkpoints.adaptation import fit_pos_embed, fold_layer_scale, source_grid
from vitpose_mm.checkpoints.origins import IMAGE_GRIDS, POSE_GRIDS


@pytest.mark.parametrize(
    ('length', 'grids', 'expected'),
    [
        (192, POSE_GRIDS, ((16, 12), False)),
        (193, POSE_GRIDS, ((16, 12), True)),
        (197, IMAGE_GRIDS, ((14, 14), True)),  # 224x224 at 16
        (577, IMAGE_GRIDS, ((24, 24), True)),  # 384x384 at 16
        (257, IMAGE_GRIDS, ((16, 16), True)),  # 224x224 at 14
        (1025, IMAGE_GRIDS, ((32, 32), True)),  # 512x512 at 16
        (785, IMAGE_GRIDS, ((28, 28), True)),  # 448x448 at 16
        (1370, IMAGE_GRIDS, ((37, 37), True)),  # 518x518 at 14
        (432, POSE_GRIDS, ((24, 18), False)),  # 384x288
        (192, [(16, 12), *POSE_GRIDS], ((16, 12), False)),
    ],
)
def test_source_grid_is_one_of_the_known_ones(length, grids, expected):
    assert source_grid(length, grids) == expected


@pytest.mark.parametrize('length', [64, 170, 190])
def test_a_grid_is_never_guessed(length):
    """64 entries could be 8x8, but no format is known for it."""
    with pytest.raises(ValueError, match=rf'{length} entries: its grid is none of 14x14, 24x24.*pretrain_img_size'):
        source_grid(length, IMAGE_GRIDS)


@pytest.mark.parametrize('length', [192, 193])
def test_two_grids_that_fit_are_refused(length):
    message = rf'table of {length} entries: its grid can be 16x12 or 12x16 .*pretrain_img_size=\(h, w\)'
    with pytest.raises(ValueError, match=message):
        source_grid(length, [*POSE_GRIDS, (12, 16)])


def test_a_resized_table_is_reported():
    weights, lines = {'pos_embed': torch.randn(1, 12, 8)}, []
    fit_pos_embed(weights, 'pos_embed', (8, 6), [(4, 3)], lines.append)
    assert weights['pos_embed'].shape == (1, 48, 8) and lines == ['position table resized from 4x3 to 8x6']


def test_layer_scale_of_half_precision_is_folded_in_fp32():
    """tests/parity compares the features of DINOv2, which has layer scales."""
    weight, scale = torch.randn(8, 6).half(), torch.randn(8).half()
    weights = {'layers.0.mlp.fc2.weight': weight, 'layers.0.mlp.scale': scale}
    fold_layer_scale(weights, str)
    torch.testing.assert_close(weights, {'layers.0.mlp.fc2.weight': weight.float() * scale.float()[:, None]})
