"""Steps whose loss or gradient is not finite are left out; tests/unit/hooks/test_non_finite.py trains with them."""

import pytest
import torch
from mmengine.utils import digit_version

from vitpose_mm.optim import FiniteOptimWrapper

old = digit_version(torch.__version__) < digit_version('2.4')
needs_fused = pytest.mark.skipif(old, reason='fused AdamW on a CPU needs torch 2.4 or newer')
maybe_fused = pytest.mark.parametrize('fused', [False, pytest.param(True, marks=needs_fused)])


def build(fused=False, **options):
    weights = [torch.nn.Parameter(torch.tensor([1.0, 2.0])), torch.nn.Parameter(torch.tensor([3.0]))]
    return weights, FiniteOptimWrapper(torch.optim.AdamW(weights, lr=0.1, fused=fused), **options)


def loss_of(weights):
    return (weights[0] * weights[1]).square().sum()


@maybe_fused
def test_finite_steps_are_those_of_the_optimizer(fused):
    weights, wrapper = build(fused)
    plain = [torch.nn.Parameter(weight.detach().clone()) for weight in weights]
    optimizer = torch.optim.AdamW(plain, lr=0.1)
    for _ in range(3):
        wrapper.update_params(loss_of(weights))
        optimizer.zero_grad()
        loss_of(plain).backward()
        optimizer.step()
    torch.testing.assert_close(weights, plain)


@pytest.mark.parametrize(
    ('clip', 'expected'),
    [
        (None, [3.0, 0.0, 4.0]),
        (dict(max_norm=1.0), [0.6, 0.0, 0.8]),
        (dict(max_norm=10.0), [3.0, 0.0, 4.0]),
        (dict(type='value', clip_value=3.5), [3.0, 0.0, 3.5]),
        (dict(max_norm=2.0, norm_type=float('inf')), [1.5, 0.0, 2.0]),
    ],
)
def test_clipping_and_the_norm_before_it(clip, expected):
    weights, wrapper = build(clip_grad=clip)
    assert wrapper.finite is None and wrapper.grad_norm is None
    wrapper.backward(3 * weights[0][0] + 4 * weights[1].sum())
    wrapper.step()
    torch.testing.assert_close(torch.cat([w.grad for w in weights]), torch.tensor(expected), rtol=1e-5, atol=1e-6)
    assert float(wrapper.grad_norm) == pytest.approx(4 if clip and 'norm_type' in clip else 5)


def test_arguments_reach_backward_and_the_optimizer():
    weights, wrapper = build()
    wrapper.step()  # without gradients, it is left to the optimizer
    assert wrapper.finite is None and weights[0].tolist() == [1, 2]
    loss = weights[0].sum()
    wrapper.backward(loss, retain_graph=True)
    wrapper.backward(loss)
    assert weights[0].grad.tolist() == [2, 2]
    calls = []
    wrapper.step(closure=lambda: calls.append(1))
    assert calls == [1]
