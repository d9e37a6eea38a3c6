"""The batch codecs make targets and decode as MMPose's; accuracy equals MMPose's.

Where MMPose moves a maximum by many cells, as in noise, it divides by almost 0 and amplifies its own rounding
errors: there, agreement within 1e-3 pixels cannot be expected, and the tests compare relative to the movement.
"""

import numpy as np
import pytest
import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.codecs.utils import get_heatmap_maximum
from mmpose.evaluation.functional import pose_pck_accuracy

from vitpose_mm.codecs import BatchMSRAHeatmap, BatchUDPHeatmap
from vitpose_mm.heads.heatmap_losses import pck_accuracy

SIZES = dict(input_size=(192, 256), heatmap_size=(48, 64))
PAIRS = {
    'udp': (UDPHeatmap(**SIZES), BatchUDPHeatmap(**SIZES)),
    'udp, blur of 5': (UDPHeatmap(**SIZES, blur_kernel_size=5), BatchUDPHeatmap(**SIZES, blur_kernel_size=5)),
    'msra': (MSRAHeatmap(**SIZES, sigma=2), BatchMSRAHeatmap(**SIZES, sigma=2)),
    'dark': (MSRAHeatmap(**SIZES, sigma=2, unbiased=True), BatchMSRAHeatmap(**SIZES, sigma=2, unbiased=True)),
}
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_numbers():
    """The same random numbers in whatever order the tests run."""
    RANDOM.bit_generator.state = np.random.default_rng(0).bit_generator.state


def peaks(shape, points, low=0.2, high=1.0, noise=0.01):
    maps = np.stack([PAIRS['udp'][0].encode(person[None].astype(np.float32))['heatmaps'] for person in points])
    return maps * RANDOM.uniform(low, high, (*shape[:2], 1, 1)) + RANDOM.normal(0, noise, shape)


def anywhere(shape):
    return RANDOM.uniform([-8, -8], [200, 264], (*shape[:2], 2))


def at_the_border(shape):
    """Points within 3 pixels of one or two sides."""
    inside, sides = anywhere(shape), RANDOM.integers(0, 2, (*shape[:2], 2)) * [191, 255]
    near = RANDOM.random((*shape[:2], 2)) < 0.5
    near[..., 0] |= ~near[..., 1]
    return np.where(near, sides + RANDOM.uniform(-3, 3, inside.shape), inside)


LIKE_A_NETWORK = {
    'peaks': lambda shape: peaks(shape, anywhere(shape)),
    'peaks without noise': lambda shape: peaks(shape, anywhere(shape), noise=0),
    'border': lambda shape: peaks(shape, at_the_border(shape)),
    'border without noise': lambda shape: peaks(shape, at_the_border(shape), noise=0),
    'flat': lambda shape: np.broadcast_to(RANDOM.uniform(0.1, 1, (*shape[:2], 1, 1)), shape),
    'negative': lambda shape: np.full(shape, -0.1),
}
NOISE = {
    'weak': lambda shape: peaks(shape, anywhere(shape), 1e-3, 0.05, 5e-4),
    'uniform': lambda shape: RANDOM.random(shape),
    'normal': lambda shape: RANDOM.normal(size=shape),
    'large': lambda shape: 100 * RANDOM.random(shape) ** 8,
    'ties': lambda shape: RANDOM.integers(0, 3, shape),
}
NUMBERS = [(name, number) for name in PAIRS for number in ((17,) if name == 'udp, blur of 5' else (1, 17, 133))]
with_numbers = pytest.mark.parametrize(('name', 'number'), NUMBERS)


def decode(name, number, source):
    """Distance between both (B, K) in input pixels, how far MMPose moves the maximum, in cells, and a cell's pixels."""
    theirs, ours = PAIRS[name]
    maps = source((max(1, 100 // number), number, 64, 48)).astype(np.float32)
    one, other = [theirs.decode(heatmaps) for heatmaps in maps], ours.batch_decode(torch.from_numpy(maps))
    assert np.array_equal(np.stack([scores for _, scores in one]), np.stack(other[1]))
    keypoints = np.concatenate([points for points, _ in one])
    first = np.stack([get_heatmap_maximum(heatmaps)[0] for heatmaps in maps])
    moved = np.abs(keypoints / ours.px_per_cell - first).max(-1)
    return np.abs(keypoints - np.concatenate(other[0])).max(-1), moved, max(ours.px_per_cell)


@with_numbers
@pytest.mark.parametrize('kind', LIKE_A_NETWORK)
def test_keypoints_are_those_of_mmpose(name, number, kind):
    assert decode(name, number, LIKE_A_NETWORK[kind])[0].max() < 1e-3


@with_numbers
@pytest.mark.parametrize('kind', NOISE)
def test_keypoints_in_noise_are_those_of_mmpose(name, number, kind):
    distance, moved, px_per_cell = decode(name, number, NOISE[kind])
    close = distance < 1e-3
    assert close[moved < 1].mean() > 0.98  # not all: the Hessian of values at the lower limit can be singular
    assert (close | (distance < 0.01 * moved * px_per_cell)).mean() > 0.95


@pytest.mark.parametrize('name', PAIRS)
def test_without_a_value_mmpose_gives_nan_or_the_same(name):
    """UDP divides 0 by 0, which ours does not."""
    theirs, ours = PAIRS[name]
    maps = np.zeros((2, 17, 64, 48), np.float32)
    with np.errstate(invalid='ignore'):
        keypoints = theirs.decode(maps[0])[0]
    decoded = np.stack(ours.batch_decode(torch.from_numpy(maps))[0])
    assert np.array_equal(decoded, np.full((2, 1, 17, 2), -1) * np.float32(ours.px_per_cell))
    if isinstance(theirs, UDPHeatmap):
        assert np.isnan(keypoints).all()
    else:
        assert np.array_equal(keypoints, decoded[0])


SQUARE = dict(input_size=(224, 224), heatmap_size=(56, 56), sigma=3)
TARGETS = {
    'udp': (UDPHeatmap, BatchUDPHeatmap, SIZES),
    'udp, square, sigma 3': (UDPHeatmap, BatchUDPHeatmap, SQUARE),
    'udp, sigma 1.5': (UDPHeatmap, BatchUDPHeatmap, dict(SIZES, sigma=1.5)),
    'classic': (MSRAHeatmap, BatchMSRAHeatmap, dict(SIZES, sigma=2)),
    'classic, 1/2 of the input': (MSRAHeatmap, BatchMSRAHeatmap, dict(SIZES, input_size=(96, 128), sigma=2.0)),
    'unbiased': (MSRAHeatmap, BatchMSRAHeatmap, dict(SIZES, sigma=2, unbiased=True)),
}


@pytest.mark.parametrize('name', TARGETS)
def test_targets_equal_those_of_mmpose(name):
    theirs, ours, options = TARGETS[name]
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


@pytest.mark.parametrize('labeled', [0.0, 0.1, 0.7, 1.0])
def test_accuracy_equals_that_of_mmpose_with_each_axis_divided_by_its_own_size(labeled):
    """Maxima up to 4 cells apart in heatmaps of 60x40: 5% are exactly 3 rows or 2 columns, which are too far."""
    random, shape = np.random.default_rng(1), (6, 9, 60, 40)
    targets, heatmaps = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for pair in np.ndindex(shape[:2]):
        y, x = random.integers((5, 5), (55, 35))
        targets[pair][y, x] = 1
        heatmaps[pair][tuple(np.add((y, x), random.integers(-4, 5, 2)))] = 1
    heatmaps[0, :3] = targets[0, 2:5] = -1  # without a maximum: one is in both
    mask = random.random(shape[:2]) < labeled
    _, expected, _ = pose_pck_accuracy(heatmaps, targets, mask, normalize=np.tile([[40, 60]], (len(mask), 1)))
    accuracy = pck_accuracy(*map(torch.from_numpy, (heatmaps, targets, mask)))
    assert float(accuracy) == pytest.approx(expected, abs=1e-6)
    if labeled == 1:
        _, swapped, _ = pose_pck_accuracy(heatmaps, targets, mask)  # MMPose's default: x by the height, y by the width
        assert swapped != pytest.approx(expected, abs=0.01), 'the test could not tell the axes apart'
