"""Targets made on the device equal those of MMPose's codecs; accuracy equals MMPose's."""

import numpy as np
import pytest
import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.evaluation.functional import pose_pck_accuracy

from vitpose_mm.codecs import BatchMSRAHeatmap, BatchUDPHeatmap
from vitpose_mm.codecs.pck import pck_accuracy

SIZES = dict(input_size=(192, 256), heatmap_size=(48, 64))
SQUARE = dict(input_size=(224, 224), heatmap_size=(56, 56), sigma=3)
PAIRS = {
    'udp': (UDPHeatmap, BatchUDPHeatmap, SIZES),
    'udp, square, sigma 3': (UDPHeatmap, BatchUDPHeatmap, SQUARE),
    'udp, sigma 1.5': (UDPHeatmap, BatchUDPHeatmap, dict(SIZES, sigma=1.5)),
    'classic': (MSRAHeatmap, BatchMSRAHeatmap, dict(SIZES, sigma=2)),
    'classic, 1/2 of the input': (MSRAHeatmap, BatchMSRAHeatmap, dict(SIZES, input_size=(96, 128), sigma=2.0)),
    'unbiased': (MSRAHeatmap, BatchMSRAHeatmap, dict(SIZES, sigma=2, unbiased=True)),
}


@pytest.mark.parametrize('name', PAIRS)
def test_targets_equal_those_of_mmpose(name):
    theirs, ours, options = PAIRS[name]
    theirs, ours, random = theirs(**options), ours(**options), np.random.default_rng(0)
    size = np.array(theirs.input_size)
    points = random.uniform(-0.4 * size, 1.4 * size, (40, 30, 2)).astype(np.float32)  # also far outside
    points[0] = points[0].round()  # exactly between cells
    points[1, :15, 0] = np.linspace(-30, -20, 15)  # where the Gaussian leaves the heatmap
    points[2, :15, 1] = size[1] + np.linspace(20, 30, 15)
    visible = random.choice([0.0, 0.3, 0.5, 1.0], (40, 30)).astype(np.float32)
    visible[3] = 0
    heatmaps, weights = ours.targets(torch.from_numpy(points), torch.from_numpy(visible))
    assert heatmaps.dtype == weights.dtype == torch.float32
    for i in range(len(points)):
        expected = theirs.encode(points[i : i + 1], visible[i : i + 1])
        np.testing.assert_allclose(heatmaps[i].numpy(), expected['heatmaps'], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(weights[i].numpy(), expected['keypoint_weights'][0])
    assert 100 < int((weights > 0).sum()) < weights.numel()


@pytest.mark.parametrize('labelled', [0.0, 0.1, 0.7, 1.0])
def test_accuracy_equals_that_of_mmpose_with_each_axis_divided_by_its_own_size(labelled):
    """Maxima up to 4 cells apart in heatmaps of 64x48: 5% are 3.2 rows and 2.4 columns."""
    random, shape = np.random.default_rng(1), (6, 9, 64, 48)
    targets, heatmaps = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for pair in np.ndindex(shape[:2]):
        y, x = random.integers((5, 5), (59, 43))
        targets[pair][y, x] = 1
        heatmaps[pair][tuple(np.add((y, x), random.integers(-4, 5, 2)))] = 1
    heatmaps[0, :3] = -1  # without a maximum
    mask = random.random(shape[:2]) < labelled
    _, expected, _ = pose_pck_accuracy(heatmaps, targets, mask, normalize=np.tile([[48, 64]], (len(mask), 1)))
    found = pck_accuracy(*map(torch.from_numpy, (heatmaps, targets, mask)))
    assert float(found) == pytest.approx(expected, abs=1e-6)
    if labelled == 1:
        _, swapped, _ = pose_pck_accuracy(heatmaps, targets, mask)  # MMPose's default: x by the height, y by the width
        assert swapped != pytest.approx(expected, abs=0.01), 'the test could not tell the axes apart'
