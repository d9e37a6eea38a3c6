"""The loss of output distillation, compared with numpy."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401


@pytest.mark.parametrize('weighted', [False, True])
def test_loss_is_the_mean_squared_error(weighted):
    """With `use_target_weight`, keypoints that are not labeled get no gradient."""
    student, teacher = torch.rand(2, 3, 17, 16, 12, generator=torch.Generator().manual_seed(0))
    weights = torch.ones(3, 17)
    weights[:, ::2] = 0
    loss_module = MODELS.build(dict(type='HeatmapDistillLoss', loss_weight=3.0, use_target_weight=weighted))
    loss = loss_module(student.requires_grad_(), teacher, weights)
    counted = weights if weighted else torch.ones(3, 17)
    squares = (student.detach().numpy() - teacher.numpy()) ** 2 * counted.numpy()[..., None, None]
    assert loss.item() == pytest.approx(3 * np.mean(squares), rel=1e-5)
    loss.backward()
    assert torch.equal(student.grad.flatten(2).any(2), counted > 0)


@pytest.mark.parametrize('weight', [0, -1.0])
def test_bad_weights_are_refused(weight):
    with pytest.raises(ValueError, match=f'loss_weight={weight}'):
        MODELS.build(dict(type='HeatmapDistillLoss', loss_weight=weight))
