"""Training heatmaps compared with a formula in NumPy; tests/parity compares with MMPose."""

import numpy as np
import pytest
import torch

from vitpose_mm.codecs.gaussians import cut_off_gaussians, whole_gaussians

SIZE, SIGMA = (14, 11), 2
X = (5.0, 5.4, 0.0, -5.4, -6.6, 19.4, 20.6, 3.0, 9.0)
PLACES = np.array([X, (4.0, 4.6, 10.0, 3.0, 3.0, 3.0, 3.0, -7.0, 17.2)]).T
U, V = np.meshgrid(*map(np.arange, SIZE))


def draw(kind, cells, visible):
    arguments = (torch.as_tensor(cells, dtype=torch.float32)[None], torch.tensor([visible]), SIZE, SIGMA)
    return whole_gaussians(*arguments) if kind == 'whole' else cut_off_gaussians(*arguments, kind == 'between')


@pytest.mark.parametrize('kind', ['between', 'rounded', 'whole'])
def test_each_cell(kind):
    visible = [0.7] + [1.0] * (len(PLACES) - 1)
    heatmaps, weights = draw(kind, PLACES, visible)
    rounded = PLACES if kind == 'whole' else np.trunc(PLACES + 0.5)
    reaches = (rounded - 6 < SIZE).all(1) & (rounded + 7 >= 0).all(1)
    assert 3 < reaches.sum() < len(PLACES)
    np.testing.assert_allclose(weights[0], visible * reaches)
    for heatmap, place, (column, row), reached in zip(heatmaps[0], PLACES, rounded, reaches, strict=True):
        x, y = (column, row) if kind == 'rounded' else place
        inside = (column - 6 <= U) & (U < column + 7) & (row - 6 <= V) & (V < row + 7)
        values = np.exp(-((U - x) ** 2 + (V - y) ** 2) / (2 * SIGMA**2)) * (inside | (kind == 'whole')) * reached
        np.testing.assert_allclose(heatmap, values, atol=1e-6)


@pytest.mark.parametrize('kind', ['between', 'whole'])
def test_hidden_keypoints_are_empty_and_keep_their_visibility_as_weight(kind):
    heatmaps, weights = draw(kind, [(5.0, 4.0)] * 3 + [(99.0, 4.0)] * 2, [0.0, 0.3, 0.5, 0.3, 1.0])
    assert heatmaps.flatten(2).any(-1).tolist() == [[False, False, True, False, False]]
    torch.testing.assert_close(weights, torch.tensor([[0.0, 0.3, 0.5, 0.3, 0.0]]))
