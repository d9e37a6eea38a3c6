"""The feed-forward network of a block, and that of ViTPose+: shared outputs, and outputs of one expert per dataset."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mlp(nn.Module):
    """Linear, GELU, linear: `dim` is the width C of a token, `hidden_dim` that between the linear layers."""

    def __init__(self, dim: int, hidden_dim: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., C) to (..., C)."""
        return self.fc2(self.act(self.fc1(x)))


class PerSampleLinear(torch.autograd.Function):
    """Linear layer with separate weights per sample, indexed from a stack, as one batched product.

    The backward pass indexes the weights again instead of saving a copy per sample. As in torch's own linear layer, the
    input is saved only if the weights train, and the weights only if the input needs a gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, pick: Tensor) -> Tensor:
        """Apply each sample's expert (B,) in 0..E-1: tokens (B, N, D), weights (E, P, D), (E, P) -> (B, N, P)."""
        needs_x, needs_weight, *_ = ctx.needs_input_grad
        ctx.save_for_backward(x if needs_weight else None, weight if needs_x else None, pick)
        ctx.experts = len(weight)
        return torch.baddbmm(bias[pick, None], x, weight[pick].transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Compute gradients of x, weight and bias where needed; zero for experts without a sample."""
        x, weight, pick = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        grad_x = grad @ weight[pick] if needs_x else None
        grad_weight = _sum_by_expert(grad.transpose(1, 2) @ x, pick, ctx.experts) if needs_weight else None
        grad_bias = _sum_by_expert(grad.sum(1), pick, ctx.experts) if needs_bias else None
        return grad_x, grad_weight, grad_bias, None


def _sum_by_expert(per_sample: Tensor, pick: Tensor, experts: int) -> Tensor:
    """Sum the samples of each expert: (B, ...) -> (E, ...)."""
    return per_sample.new_zeros(experts, *per_sample.shape[1:]).index_add_(0, pick, per_sample)


class Experts(nn.Module):
    """One linear layer per expert, as stacked parameters.

    Every expert therefore takes part in every backward pass: an expert without a sample gets a zero
    gradient, and distributed training does not need `find_unused_parameters`.
    """

    def __init__(self, in_dim: int, out_dim: int, count: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, out_dim, in_dim))  # (E, P, D)
        self.bias = nn.Parameter(torch.zeros(count, out_dim))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Tensor, pick: Tensor) -> Tensor:
        """Apply each sample's expert (B,): (B, N, D) -> (B, N, P)."""
        return PerSampleLinear.apply(x, self.weight.to(x.dtype), self.bias.to(x.dtype), pick)


class ExpertMlp(nn.Module):
    """Linear layer, GELU, then a linear layer whose last outputs come from the sample's expert.

    Source: ViTPose++ (TPAMI 2023) and the authors' code: shared outputs first, then the expert's. The
    results are the same, but only the experts that a batch needs are computed.

    Args:
        dim: width C of a token.
        hidden_dim: width between the two linear layers.
        expert_dim: outputs of an expert; the other C - expert_dim outputs are shared.
        count: number of experts.

    Raises:
        ValueError: expert_dim leaves no expert or no shared output.
    """

    def __init__(self, dim: int, hidden_dim: int, expert_dim: int, count: int):
        super().__init__()
        if not 0 < expert_dim < dim:
            raise ValueError(
                f'experts: expert_dim={expert_dim} must be > 0 and < the width {dim}, which also includes '
                'the shared outputs'
            )
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_dim, dim - expert_dim)
        self.experts = Experts(hidden_dim, expert_dim, count)

    def forward(self, x: Tensor, expert: int | Tensor) -> Tensor:
        """Map (B, ..., C) to the same shape.

        `expert` holds indices (B,), or is one index for all samples: then both parts are computed as one product,
        exactly as in the plain `Mlp` that this expert can be merged into.
        """
        hidden = self.act(self.fc1(x))
        if isinstance(expert, int):
            return F.linear(
                hidden,
                torch.cat([self.fc2.weight, self.experts.weight[expert]]),
                torch.cat([self.fc2.bias, self.experts.bias[expert]]),
            )
        chosen = self.experts(hidden.flatten(1, -2), expert).unflatten(1, x.shape[1:-1])
        return torch.cat([self.fc2(hidden), chosen], dim=-1)
