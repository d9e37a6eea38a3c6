"""Isotonic maps, trained scores and the calibration error against results known beforehand."""

import numpy as np
import pytest
import torch

from vitpose.errors import InputError
from vitpose.predict.calibration import fitting
from vitpose.predict.calibration.labeled_boxes import LabeledBox, vary_boxes
from vitpose.predict.models.crops import CropRule


def judged(count=600, keypoints=2, seed=0):
    """Boxes whose probability to be right is the square of the peak, and is told by an input, too."""
    rng = np.random.default_rng(seed)
    peaks = rng.uniform(0, 1, (count, keypoints)).astype(np.float32)
    right = rng.uniform(0, 1, peaks.shape) < peaks**2
    known = rng.normal(0, 1, (count, keypoints, 4 + 7 + keypoints)).astype(np.float32)
    known[..., 0] = peaks**2
    tensors = known, known[:, 0, 3:7] * 0, peaks, np.ones_like(right), right, peaks**2, right
    return fitting.Judged(*(torch.from_numpy(value) for value in tensors))


def test_the_isotonic_fit_is_the_nearest_ascending_sequence():
    rng = np.random.default_rng(0)
    values = rng.normal(size=12) + np.arange(12) * 0.2
    fit = fitting.fit_isotonic(values)
    assert (np.diff(fit) >= 0).all()
    # of min-max formulas: the largest mean over starts of the smallest mean over ends
    means = [max(min(values[i : k + 1].mean() for k in range(j, 12)) for i in range(j + 1)) for j in range(12)]
    np.testing.assert_allclose(fit, means, atol=1e-9)


def test_a_peak_map_and_a_trained_head_find_the_probabilities():
    train, test = judged(), judged(seed=1)
    modules = fitting.fit_peak_map(train), fitting.fit_confidence(train, torch.arange(600) % 5 == 4)
    for module in modules:
        (before, _), (after, bins) = fitting.compare(module, test)
        assert before > 0.12 and after < 0.07, (before, after)
        assert sum(count for *_, count in bins) == 1200 and len(bins) <= fitting.BINS
    again = fitting.fit_confidence(train, torch.arange(600) % 5 == 4)
    torch.testing.assert_close(again.state_dict(), modules[1].state_dict(), rtol=0, atol=0)  # the seed decides
    with pytest.raises(InputError, match='nothing to calibrate'):
        fitting.fit_peak_map(train._replace(peaks=torch.full((600, 2), 0.5)))


def test_the_calibration_error_of_hand_counted_bins():
    error, bins = fitting.calibration_error(np.array([0.01, 0.02, 0.99, 1.0]), np.array([False, True, True, True]))
    assert error == pytest.approx((0.97 + 0.01) / 4) and [count for *_, count in bins] == [2, 2]


def test_labels_are_compared_by_the_scale_of_the_person_and_background_is_wrong():
    labels = np.array([[100, 100, 2], [0, 0, 0], [140, 100, 1]])
    boxes = [
        LabeledBox('a', 'true', (80, 80, 120, 120), labels, 50.0),
        LabeledBox('a', 'background', (0, 0, 9, 9), labels * 0, 0.0),
    ]
    points, rule = np.zeros((2, 3, 2)), CropRule((48, 64))
    points[0, 0] = 104, 100
    labeled, right, similar, present = fitting.compare_labels(points, boxes, np.full(3, 0.05), rule)
    assert labeled.tolist() == [[True, False, True], [True] * 3] and right[:, 0].tolist() == [True, False]
    assert present.tolist() == [[True, False, False], [False] * 3]  # the third one is outside of the crop
    assert similar[0, 0] == pytest.approx(np.exp(-(0.08**2) / (2 * 0.1**2))) and not similar[1].any()


def test_boxes_are_varied_and_background_holds_nobody():
    box, points = np.array([[100.0, 50, 180, 200]]), np.full((1, 17, 3), 120.0)
    boxes = list(vary_boxes('a.jpg', (400, 300), box, points, np.random.default_rng(0), 20))
    true, jittered, *others = boxes
    assert (true.kind, true.box, jittered.kind) == ('true', (100, 50, 180, 200), 'jittered')
    assert true.scale == jittered.scale == pytest.approx((0.53 * 80 * 150) ** 0.5)
    assert 0 < np.abs(np.subtract(jittered.box, true.box)).max() < 60
    assert len(others) > 15 and all(each.kind == 'background' and each.scale == 0 for each in others)
    for x1, y1, x2, y2 in (each.box for each in others):
        assert 0 <= x1 < x2 <= 400 and 0 <= y1 < y2 <= 300 and not (x1 <= 120 <= x2 and y1 <= 120 <= y2)
    everywhere = np.stack(np.meshgrid(np.arange(0, 80, 4), np.arange(0, 150, 4), [2]), -1).reshape(1, -1, 3)
    assert len(list(vary_boxes('a.jpg', (80, 150), box, everywhere, np.random.default_rng(0), 5))) == 2
