"""Training heatmaps compared with a loop over cells; tests/parity compares with MMPose."""

import math

import pytest
import torch

from vitpose_mm.codecs.gaussians import cut_off_gaussians, whole_gaussians

WIDTH, HEIGHT, SIGMA = 14, 11, 2
PLACES = [
    (5.0, 4.0),
    (5.4, 4.6),
    (0.0, 10.0),
    (-5.4, 3.0),
    (-6.6, 3.0),
    (19.4, 3.0),
    (20.6, 3.0),
    (3.0, -7.0),
    (9.0, 17.2),
]


def expected(x, y, kind):
    """Values {(x, y): value} of one keypoint; None if its Gaussian is outside the heatmap."""
    if kind == 'whole':
        near = (x - 6, y - 6, x + 7, y + 7)
        centre = x, y
    else:
        column, row = math.trunc(x + 0.5), math.trunc(y + 0.5)
        near = (column - 6, row - 6, column + 7, row + 7)
        centre = (x, y) if kind == 'between' else (column, row)
    if near[0] >= WIDTH or near[1] >= HEIGHT or near[2] < 0 or near[3] < 0:
        return None
    cells = [(u, v) for v in range(HEIGHT) for u in range(WIDTH)]
    if kind != 'whole':
        cells = [(u, v) for u, v in cells if near[0] <= u < near[2] and near[1] <= v < near[3]]
    return {(u, v): math.exp(-((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (2 * SIGMA**2)) for u, v in cells}


@pytest.mark.parametrize('kind', ['between', 'rounded', 'whole'])
def test_each_cell(kind):
    cells, visible = torch.tensor(PLACES)[None], torch.ones(1, len(PLACES))
    visible[0, 0] = 0.7
    size = (WIDTH, HEIGHT)
    if kind == 'whole':
        heatmaps, weights = whole_gaussians(cells, visible, size, SIGMA)
    else:
        heatmaps, weights = cut_off_gaussians(cells, visible, size, SIGMA, kind == 'between')
    outside = 0
    for number, place in enumerate(PLACES):
        values = expected(*place, kind)
        outside += values is None
        assert weights[0, number] == (0 if values is None else visible[0, number])
        for v in range(HEIGHT):
            for u in range(WIDTH):
                assert heatmaps[0, number, v, u] == pytest.approx((values or {}).get((u, v), 0), abs=1e-6), (
                    place,
                    u,
                    v,
                )
    assert 0 < outside < len(PLACES) - 3


@pytest.mark.parametrize('kind', ['cut off', 'whole'])
def test_hidden_keypoints_are_empty_and_keep_their_visibility_as_weight(kind):
    cells, visible = torch.tensor([[(5.0, 4.0)] * 3 + [(99.0, 4.0)] * 2]), torch.tensor([[0.0, 0.3, 0.5, 0.3, 1.0]])
    arguments = (cells, visible, (WIDTH, HEIGHT), SIGMA)
    heatmaps, weights = whole_gaussians(*arguments) if kind == 'whole' else cut_off_gaussians(*arguments, True)
    assert heatmaps.flatten(2).any(-1).tolist() == [[False, False, True, False, False]]
    torch.testing.assert_close(weights, torch.tensor([[0.0, 0.3, 0.5, 0.3, 0.0]]))
