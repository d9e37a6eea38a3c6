"""Cross-entropy over positions, compared with torch.distributions, and what a step with it does."""

import pytest
import torch
from mmpose.registry import MODELS
from torch.distributions import Categorical, kl_divergence

from vitpose_mm.codecs import BatchUDPHeatmap

SIZE = dict(input_size=(48, 64), heatmap_size=(12, 16), sigma=1)


def build(**settings):
    return MODELS.build(dict(type='HeatmapCrossEntropyLoss', **settings))


def labels():
    keypoints = torch.tensor([[[10.0, 12.0], [30.0, 50.0]], [[24.0, 8.0], [40.0, 33.0]]])
    return BatchUDPHeatmap(**SIZE).targets(keypoints, torch.ones(2, 2))[0]


@pytest.mark.parametrize('mse_weight', [0.0, 7.0])
def test_loss_is_the_divergence_plus_the_squared_error_of_weighted_keypoints(mse_weight):
    heatmaps, targets = torch.rand(2, 2, 16, 12, generator=torch.Generator().manual_seed(0)), labels()
    weights = torch.tensor([[1.0, 0.0], [0.5, 1.0]])
    expected = 0.0
    for b in range(2):
        for k in range(2):
            label, ours = (Categorical(logits=6 * maps[b, k].flatten()) for maps in (targets, heatmaps))
            squares = (weights[b, k] * (heatmaps[b, k] - targets[b, k]) ** 2).mean()
            expected += (weights[b, k] * kl_divergence(label, ours) + mse_weight * squares) / 4
    loss = build(mse_weight=mse_weight, scale=6.0, loss_weight=2.0)(heatmaps, targets, weights)
    torch.testing.assert_close(loss, 2 * expected)


def test_the_minimum_is_at_the_labels():
    targets = labels().requires_grad_()
    loss = build()(targets, targets.detach(), torch.ones(2, 2))
    assert loss.item() == pytest.approx(0, abs=1e-5)
    (gradient,) = torch.autograd.grad(loss, targets)
    assert gradient.abs().max() < 1e-5


def test_it_has_a_gradient_where_the_squared_error_has_almost_none():
    """From flat heatmaps, the cell of the keypoint is moved most, and much more against the others than by MSE."""
    targets, flat = labels(), torch.zeros(2, 2, 16, 12, requires_grad=True)
    peaks = targets.flatten(2).argmax(-1, keepdim=True)
    shares = {}
    for name, weight in (('cross-entropy', 0.0), ('both', 100.0)):
        (gradient,) = torch.autograd.grad(build(mse_weight=weight)(flat, targets, torch.ones(2, 2)), flat)
        assert torch.equal(gradient.flatten(2).argmin(-1, keepdim=True), peaks)
        shares[name] = gradient.flatten(2).gather(2, peaks).abs().mean().item()
    assert shares['cross-entropy'] > 0.1  # the probability mass of a keypoint, times 10, over 4 keypoints


@pytest.mark.parametrize('settings', [dict(mse_weight=-1.0), dict(scale=0.0), dict(loss_weight=0.0)])
def test_bad_numbers_are_refused(settings):
    with pytest.raises(ValueError, match=f'{next(iter(settings))}={next(iter(settings.values()))}'):
        build(**settings)
