"""Covariances and rival peaks of heatmaps against sums over all cells, written out."""

import numpy as np
import pytest
import torch

from tests.unit.networks.heatmaps.test_peaks import gaussians
from vitpose_mm.networks.heatmaps.codecs import MSRACodec, UDPCodec
from vitpose_mm.networks.heatmaps.spread import peak_covariances, rival_peaks


def moments(heatmap, x, y, reach):
    """Second moments and outer mass of one heatmap, cell by cell."""
    total, outside, squares, rival = 1e-12, 0.0, np.zeros((2, 2)), 0.0
    column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    mass = 0.0
    for j, i in np.ndindex(heatmap.shape):
        value = max(float(heatmap[j, i]), 0)
        mass += value
        if abs(i - column) <= reach and abs(j - row) <= reach:
            step = np.array([i - x, j - y])
            squares += value * np.outer(step, step)
            total += value
        if not (abs(i - x) <= reach and abs(j - y) <= reach):
            outside, rival = outside + value, max(rival, value)
    return squares / total, outside / mass, rival / heatmap.max()


def test_moments_are_those_of_sums_over_cells_also_at_the_border():
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.normal(0.1, 0.5, (3, 4, 20, 16))).float()
    cells = torch.from_numpy(rng.uniform(-0.4, [15.4, 19.4], (3, 4, 2))).float()
    covariances, (outside, rival) = peak_covariances(maps, cells, 4), rival_peaks(maps, cells, 4)
    for b, k in np.ndindex(3, 4):
        expected = moments(maps[b, k].numpy(), *cells[b, k].tolist(), 4)
        np.testing.assert_allclose(covariances[b, k], expected[0], rtol=1e-3, atol=1e-3)
        assert (float(outside[b, k]), float(rival[b, k])) == pytest.approx(expected[1:], abs=1e-5)


def test_an_ideal_peak_has_the_variance_of_its_label_and_a_second_one_counts():
    positions = [[[20.3, 30.7], [35.0, 11.2]]]
    peak = gaussians(positions)
    covariances = peak_covariances(peak, torch.tensor(positions), 6)
    np.testing.assert_allclose(covariances, np.broadcast_to(np.eye(2) * 4, (1, 2, 2, 2)), rtol=0.06, atol=0.06)
    assert max(value.max() for value in rival_peaks(peak, torch.tensor(positions), 6)) < 0.05
    two = peak + 0.6 * peak.flip(1)
    outside, rival = rival_peaks(two, torch.tensor(positions), 6)
    np.testing.assert_allclose(rival, [[0.6, 0.6]], atol=0.02)
    np.testing.assert_allclose(outside, [[0.375, 0.375]], atol=0.02)


def test_without_a_maximum_the_spread_is_that_of_a_flat_window():
    flat, nowhere = torch.zeros(1, 1, 20, 20), torch.full((1, 1, 2), 10.0)
    np.testing.assert_allclose(peak_covariances(flat, nowhere, 3)[0, 0], np.eye(2) * 4, atol=1e-4)  # of -3, ..., 3
    assert [float(value) for value in rival_peaks(flat, nowhere, 3)] == [0, 0]
    assert torch.isfinite(peak_covariances(flat, nowhere - 11, 3)).all()


@pytest.mark.parametrize('kind', [UDPCodec, MSRACodec])
def test_codecs_give_input_pixels(kind):
    codec = kind((192, 128), (48, 64))  # whose cells are not square
    maps = gaussians([[[20.0, 30.0]]])
    keypoints, _ = codec.locate(maps)
    x, y = codec.px_per_cell
    expected = peak_covariances(maps, codec.cells(keypoints), 6)[0, 0] * torch.tensor([[x * x, x * y], [x * y, y * y]])
    np.testing.assert_allclose(codec.covariances(maps, keypoints)[0, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(codec.cells(keypoints)[0, 0], [20, 30], atol=0.1)
