"""Share of keypoints near their target, of hand-made heatmaps; tests/parity compares with MMPose."""

import pytest
import torch

from vitpose_mm.codecs.pck import pck_accuracy


def maps(*cells, size=(20, 40)):
    """Heatmaps (1, K, Hm, Wm) with one positive cell (x, y) each, or none."""
    heatmaps = torch.zeros(1, len(cells), *size)
    for heatmap, cell in zip(heatmaps[0], cells, strict=True):
        if cell:
            heatmap[cell[1], cell[0]] = 0.5
    return heatmaps


def test_distances_are_relative_to_the_size_of_each_axis():
    targets = maps(*[(10, 10)] * 5)
    heatmaps = maps((11, 10), (12, 10), (10, 11), (11, 11), (10, 10))
    labeled = torch.ones(1, 5, dtype=torch.bool)
    # 1/40 = 0.025; 2/40 = 0.05; 1/20 = 0.05; both 0.056
    assert pck_accuracy(heatmaps, targets, labeled) == pytest.approx(2 / 5)
    assert pck_accuracy(heatmaps, targets, labeled, threshold=0.051) == pytest.approx(4 / 5)
    assert pck_accuracy(heatmaps, targets, labeled, threshold=0.06) == 1


def test_mean_over_labeled_keypoints():
    targets = torch.cat([maps((3, 3), (9, 9), (5, 5))] * 2)
    heatmaps = torch.cat([maps((3, 3), (9, 9), (30, 5)), maps((30, 3), (9, 9), (30, 5))])
    labeled = torch.tensor([[1, 1, 0], [1, 0, 0]]).bool()
    assert pck_accuracy(heatmaps, targets, labeled) == pytest.approx((1 / 2 + 1) / 2)
    assert pck_accuracy(heatmaps, targets, torch.zeros_like(labeled)) == 0


def test_a_heatmap_without_a_positive_value_is_at_minus_one():
    labeled = torch.ones(1, 1, dtype=torch.bool)
    assert pck_accuracy(maps(None), maps((0, 0)), labeled) == 0
    assert pck_accuracy(maps(None), maps((0, 0)), labeled, threshold=0.06) == 1  # hypot(1/40, 1/20) = 0.056
    assert pck_accuracy(maps(None), maps(None), labeled) == 1
