"""Differences from torch and their bounds."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.unit.bench.fitted_model import cropped, people, write_fitted
from vitpose.export.comparison import BOUNDS, Differences, agreement, compare
from vitpose.predict.models.torch_model import PoseModel


@pytest.fixture(scope='module')
def model_crops_heatmaps(tmp_path_factory):
    model = PoseModel(*write_fitted(tmp_path_factory.mktemp('fitted')), device='cpu')
    crops = np.concatenate([cropped(model.crop_rule, *pair) for pair in zip(*people(), strict=True)] * 3)
    return model, crops, torch.cat([model.heatmaps(part) for part in (crops[:16], crops[16:])])


def test_differences_are_those_of_the_file(model_crops_heatmaps):
    model, crops, heatmaps = model_crops_heatmaps

    def shifted(pixels):
        """Stands in for a file: torch's keypoints, moved."""
        predict = model.predict
        moved = lambda crops: (predict(crops)[0] + pixels, None)  # noqa: E731
        return SimpleNamespace(info=SimpleNamespace(outputs='keypoints'), predict=moved)

    same = compare(shifted(0), heatmaps.numpy(), model, crops)
    assert same.keypoints == same.heatmaps == (0, 0) and same.crops == len(crops) == 18
    moved = compare(shifted(np.float32([3, 4])), heatmaps.numpy() * 1.1, model, crops)
    np.testing.assert_allclose(moved.keypoints, 5, rtol=1e-3)
    assert 0.09 < moved.heatmaps[0] <= 0.11
    same.check('fp32')
    with pytest.raises(ValueError, match=r'keypoints differ too much .*: 99th percentile 5, and 2 is accepted in int8'):
        moved.check('int8')
    assert any('largest 5' in line for line in moved.lines())


@pytest.mark.parametrize('precision', BOUNDS)
def test_bounds_hold_for_the_99th_percentile(precision):
    keypoints, heatmaps = BOUNDS[precision]
    Differences(1, (99, keypoints), (99, 99), (1, heatmaps)).check(precision)
    for bad in ((99, 1.01 * keypoints), (99, float('nan'))):
        with pytest.raises(ValueError, match='keypoints differ too much'):
            Differences(1, bad, (0, 0), (0, 0)).check(precision)
    with pytest.raises(ValueError, match='heatmaps differ too much'):
        Differences(1, (0, 0), (0, 0), (1, 1.01 * heatmaps)).check(precision)


def test_agreement_falls_with_the_distance(model_crops_heatmaps):
    model, crops, heatmaps = model_crops_heatmaps
    of, every = agreement(model, crops), range(len(crops))
    assert of(heatmaps.numpy(), every).shape == (len(crops),)
    assert of(heatmaps.numpy(), every).min() > 0.9999 and of(heatmaps[3:5].numpy(), [3, 4]).min() > 0.9999
    moved = of(heatmaps.roll(1, -1).numpy(), every).mean()  # a cell is 4 px of a crop of 160 px diagonal: s is 3.2 px
    np.testing.assert_allclose(moved, np.exp(-((96 / 23) ** 2) / (2 * 3.2**2)), atol=0.05)
