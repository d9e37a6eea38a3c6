"""The FFN with experts, compared with computing every expert and masking."""

import math

import pytest
import torch
import torch.nn.functional as F

from vitpose_mm.layers import ExpertMlp, Mlp

DIM, HIDDEN, EXPERT_DIM, COUNT = 24, 48, 8, 4


def build(dtype=torch.float64):
    torch.manual_seed(0)
    mlp = ExpertMlp(DIM, HIDDEN, EXPERT_DIM, COUNT).to(dtype)
    torch.nn.init.normal_(mlp.experts.bias)
    return mlp


def compute_all_and_mask(mlp, x, expert):
    """Compute all experts and mask their outputs, as the authors' code does."""
    hidden = F.gelu(mlp.fc1(x))
    chosen = sum(
        F.linear(hidden, mlp.experts.weight[e], mlp.experts.bias[e]) * (expert == e).view(-1, 1, 1, 1)
        for e in range(COUNT)
    )
    return torch.cat([mlp.fc2(hidden), chosen], dim=-1)


@pytest.mark.parametrize('chosen', [[0, 1, 2, 3, 1], [3, 3, 0], [2, 2]])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_outputs_and_gradients_equal_computing_all_experts(chosen, dtype):
    mlp, expert = build(dtype), torch.tensor(chosen)
    x = torch.randn(len(chosen), 3, 5, DIM, dtype=dtype)
    weights = torch.randn(len(chosen), 3, 5, DIM, dtype=dtype)
    results = []
    for forward in (lambda x: mlp(x, expert), lambda x: compute_all_and_mask(mlp, x, expert)):
        mlp.zero_grad()
        tokens = x.clone().requires_grad_()
        out = forward(tokens)
        (out * weights).sum().backward()
        results.append([out, tokens.grad, *(p.grad for p in mlp.parameters())])
    for ours, expected in zip(*results, strict=True):
        scale = expected.abs().max().clamp(min=1)
        torch.testing.assert_close(ours / scale, expected / scale, rtol=0, atol=1e-6)
    unused = [number for number in range(COUNT) if number not in chosen]
    assert not any(grad[unused].any() for grad in results[0][-2:])  # of the experts' weights and biases


def test_one_expert_for_the_batch_is_bitwise_equal_to_the_plain_mlp():
    mlp, plain = build(torch.float32), Mlp(DIM, HIDDEN)
    plain.fc1.load_state_dict(mlp.fc1.state_dict())
    for name, value in plain.fc2.named_parameters():
        value.data = torch.cat([getattr(mlp.fc2, name), getattr(mlp.experts, name)[2]])
    x = torch.randn(3, 4, 5, DIM)
    assert torch.equal(mlp(x, 2), plain(x))
    torch.testing.assert_close(mlp(x, torch.tensor([2, 2, 2])), plain(x), rtol=0, atol=1e-6)


def saved_shapes(module, *inputs):
    """Run a module; return its output and the shapes of the tensors that autograd saves for backward."""
    shapes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: shapes.append(tuple(t.shape)) or t, lambda t: t):
        return module(*inputs), shapes


@pytest.mark.parametrize('frozen', [False, True])
def test_which_tensors_experts_save_for_backward(frozen):
    experts, pick = build(torch.float32).experts.requires_grad_(not frozen), torch.tensor([0, 2, 2])
    hidden = torch.randn(3, 50, HIDDEN, requires_grad=True)
    out, shapes = saved_shapes(experts, hidden, pick)
    assert (hidden.shape in shapes) is not frozen  # as in torch's own linear layer
    out.square().sum().backward()
    assert hidden.grad.abs().sum() > 0 and (experts.weight.grad is None) is frozen
    assert (COUNT, EXPERT_DIM, HIDDEN) not in saved_shapes(experts, hidden.detach(), pick)[1]
    _, shapes = saved_shapes(experts, torch.randn(32, 1, HIDDEN, requires_grad=True), torch.arange(32) % COUNT)
    assert max(map(math.prod, shapes)) < 32 * EXPERT_DIM * HIDDEN  # one copy of the weight per sample


def test_trains_under_autocast():
    mlp = build(torch.float32)
    x, expert = torch.randn(4, 2, 3, DIM), torch.tensor([0, 1, 1, 3])
    with torch.autocast('cpu', torch.bfloat16):
        out = mlp(x, expert)
    assert out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    exact = compute_all_and_mask(mlp, x, expert)
    assert mlp.experts.weight.grad.dtype == torch.float32
    # bf16 has 8 significant bits: two products of 24 and 48 terms stay within 3% of the largest value
    assert (out - exact).abs().max() < 0.03 * exact.abs().max()


@pytest.mark.parametrize('expert_dim', [0, DIM, DIM + 1])
def test_expert_dim_must_leave_shared_outputs(expert_dim):
    with pytest.raises(ValueError, match=f'expert_dim={expert_dim} must be > 0 and < the width {DIM}'):
        ExpertMlp(DIM, HIDDEN, expert_dim, COUNT)
