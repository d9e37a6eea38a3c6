"""Drop path applied to several tensors of one batch."""

import pytest
import torch
from torchvision.ops import StochasticDepth

from vitpose_mm.layers.block import DropPath


@pytest.mark.parametrize('p', [0.0, 0.3, 0.9])
@pytest.mark.parametrize('training', [False, True])
def test_one_tensor_equals_stochastic_depth_of_torchvision(p, training):
    x = torch.randn(64, 3, 2, 5)
    torch.manual_seed(1)
    (ours,) = DropPath(p).train(training)(x)
    torch.manual_seed(1)
    assert torch.equal(ours, StochasticDepth(p, 'row').train(training)(x))


def test_all_tensors_of_a_sample_are_dropped_or_none():
    grid, tokens = DropPath(0.5)(torch.ones(64, 2, 3, 4), torch.ones(64, 1, 4))
    assert torch.equal(grid.flatten(1)[:, 0], tokens.flatten(1)[:, 0])
    assert sorted(grid.unique().tolist()) == sorted(tokens.unique().tolist()) == [0, 2]
