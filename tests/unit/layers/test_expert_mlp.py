"""The FFN with experts, compared with computing every expert and masking."""

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
    own = sum(
        F.linear(hidden, mlp.experts.weight[e], mlp.experts.bias[e]) * (expert == e).view(-1, 1, 1, 1)
        for e in range(COUNT)
    )
    return torch.cat([mlp.fc2(hidden), own], dim=-1)


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


def test_an_unused_expert_gets_zero_gradients():
    mlp = build()
    mlp(torch.randn(3, 2, 2, DIM, dtype=torch.float64), torch.tensor([0, 2, 0])).square().sum().backward()
    for grad in (mlp.experts.weight.grad, mlp.experts.bias.grad):
        assert [bool(grad[e].abs().sum() > 0) for e in range(COUNT)] == [True, False, True, False]


def test_one_expert_for_the_batch_is_bitwise_equal_to_the_plain_mlp():
    mlp, plain = build(torch.float32), Mlp(DIM, HIDDEN)
    plain.load_state_dict(
        {
            'fc1.weight': mlp.fc1.weight,
            'fc1.bias': mlp.fc1.bias,
            'fc2.weight': torch.cat([mlp.fc2.weight, mlp.experts.weight[2]]),
            'fc2.bias': torch.cat([mlp.fc2.bias, mlp.experts.bias[2]]),
        }
    )
    x = torch.randn(3, 4, 5, DIM)
    assert torch.equal(mlp(x, 2), plain(x))
    torch.testing.assert_close(mlp(x, torch.tensor([2, 2, 2])), plain(x), rtol=0, atol=1e-6)


def test_copies_of_weights_are_not_saved_for_backward():
    mlp, saved = build(), []
    x = torch.randn(32, 1, 1, DIM, dtype=torch.float64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        mlp(x, torch.arange(32) % COUNT)
    assert max(saved) < 32 * EXPERT_DIM * HIDDEN  # one copy of the weight per sample


@pytest.mark.parametrize('frozen', [False, True])
def test_which_tensors_experts_save_for_backward(frozen):
    mlp, saved = build(torch.float32), []
    mlp.experts.requires_grad_(not frozen)
    hidden = torch.randn(3, 50, HIDDEN, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(tuple(t.shape)) or t, lambda t: t):
        out = mlp.experts(hidden, torch.tensor([0, 2, 2]))
    assert (hidden.shape in saved) is not frozen  # as in torch's own linear layer
    out.square().sum().backward()
    assert hidden.grad.abs().sum() > 0 and (mlp.experts.weight.grad is None) is frozen
    saved.clear()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(tuple(t.shape)) or t, lambda t: t):
        mlp.experts(hidden.detach(), torch.tensor([0, 2, 2]))
    assert (COUNT, EXPERT_DIM, HIDDEN) not in saved


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
