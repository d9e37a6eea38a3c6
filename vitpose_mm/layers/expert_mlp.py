"""The feed-forward network of ViTPose+: shared outputs, and some of each dataset's own."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PerSampleLinear(torch.autograd.Function):
    """Linear whose weights each sample picks from a stack, as one batched product.

    Its backward picks the weights again: a copy per sample is never kept between the passes. As in
    torch's own linear layer, the input is kept only for weights that train, and the weights only for
    an input that needs a gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, pick: Tensor) -> Tensor:
        """(B, N, D), (E, P, D), (E, P), (B,) of 0..E-1 -> (B, N, P)."""
        needs_x, needs_weight, *_ = ctx.needs_input_grad
        ctx.save_for_backward(x if needs_weight else None, weight if needs_x else None, pick)
        ctx.experts = len(weight)
        return torch.baddbmm(bias[pick, None], x, weight[pick].transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Gradients of x, weight and bias where needed; those of experts that no sample picks are zero."""
        x, weight, pick = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        grad_x = grad @ weight[pick] if needs_x else None
        grad_weight = _sum_by_expert(grad.transpose(1, 2) @ x, pick, ctx.experts) if needs_weight else None
        grad_bias = _sum_by_expert(grad.sum(1), pick, ctx.experts) if needs_bias else None
        return grad_x, grad_weight, grad_bias, None


def _sum_by_expert(per_sample: Tensor, pick: Tensor, experts: int) -> Tensor:
    """(B, ...) -> (E, ...)."""
    return per_sample.new_zeros(experts, *per_sample.shape[1:]).index_add_(0, pick, per_sample)


class Experts(nn.Module):
    """One linear layer an expert, as stacked parameters.

    Every expert is thereby part of every backward pass: distributed training needs no
    `find_unused_parameters`, and an expert that no sample picks gets a gradient of zero.

    Args:
        in_dim: width D of the input.
        out_dim: outputs P of an expert.
        count: experts E.
    """

    def __init__(self, in_dim: int, out_dim: int, count: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, out_dim, in_dim))
        self.bias = nn.Parameter(torch.zeros(count, out_dim))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Tensor, pick: Tensor) -> Tensor:
        """(B, N, D) and each sample's expert (B,) -> (B, N, P)."""
        return PerSampleLinear.apply(x, self.weight.to(x.dtype), self.bias.to(x.dtype), pick)


class ExpertMlp(nn.Module):
    """Linear, GELU, then a linear layer whose last outputs are those of the sample's expert.

    Source: ViTPose++ (TPAMI 2023) and the authors' code: shared outputs first, then the expert's.
    Differs from it in cost alone: only the experts that a batch needs are computed.

    Args:
        dim: width C of a token.
        hidden_dim: width between the two linear layers.
        part: outputs of an expert, of the C.
        count: experts.

    Raises:
        ValueError: the experts' part leaves no shared output.
    """

    def __init__(self, dim: int, hidden_dim: int, part: int, count: int):
        super().__init__()
        if not 0 < part < dim:
            raise ValueError(
                f'experts: part={part} must be above 0 and below the width {dim}, which the shared part '
                'and one expert make up together'
            )
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_dim, dim - part)
        self.experts = Experts(hidden_dim, part, count)

    def forward(self, x: Tensor, expert: int | Tensor) -> Tensor:
        """(B, ..., C) -> the same shape.

        Args:
            x: tokens.
            expert: of each sample (B,), or one number for all: then both parts are one product, the
                very one of the plain `Mlp` that this expert can be merged into.
        """
        hidden = self.act(self.fc1(x))
        if isinstance(expert, int):
            return F.linear(
                hidden,
                torch.cat([self.fc2.weight, self.experts.weight[expert]]),
                torch.cat([self.fc2.bias, self.experts.bias[expert]]),
            )
        own = self.experts(hidden.flatten(1, -2), expert).unflatten(1, x.shape[1:-1])
        return torch.cat([self.fc2(hidden), own], dim=-1)
