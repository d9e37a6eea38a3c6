"""The loss of output distillation, compared with numpy."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401


@pytest.fixture
def batch():
    """Heatmaps of a student and a teacher, and keypoint weights, some of them zero."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.rand(2, 3, 17, 16, 12, generator=generator)
    weights = torch.ones(3, 17)
    weights[:, ::2] = 0
    return student.requires_grad_(), teacher, weights


def test_loss_is_the_mean_squared_error_times_the_loss_weight(batch):
    student, teacher, weights = batch
    loss = MODELS.build(dict(type='HeatmapDistillLoss', loss_weight=3.0))(student, teacher, weights)
    expected = 3 * np.mean((student.detach().numpy() - teacher.numpy()) ** 2)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    # every keypoint gets a gradient, labelled or not
    assert (student.grad.flatten(2).abs().sum(2) > 0).all()


def test_unlabelled_keypoints_get_no_gradient_with_target_weights(batch):
    student, teacher, weights = batch
    loss = MODELS.build(dict(type='HeatmapDistillLoss', use_target_weight=True))(student, teacher, weights)
    squares = (student.detach().numpy() - teacher.numpy()) ** 2
    assert loss.item() == pytest.approx(np.mean(squares * weights.numpy()[..., None, None]), rel=1e-5)
    loss.backward()
    assert torch.equal(student.grad.flatten(2).abs().sum(2) > 0, weights > 0)


@pytest.mark.parametrize('weight', [0, -1.0])
def test_bad_weights_are_refused(weight):
    with pytest.raises(ValueError, match=f'loss_weight={weight}'):
        MODELS.build(dict(type='HeatmapDistillLoss', loss_weight=weight))
