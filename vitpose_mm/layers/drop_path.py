"""Stochastic depth."""

from torch import Tensor, nn


class DropPath(nn.Module):
    """During training, drop all branches of a sample together and scale those of the other samples up.

    Source: stochastic depth (arXiv 1603.09382). For a single branch this equals torchvision's
    StochasticDepth, random numbers included.

    Args:
        p: probability to drop, >= 0 and < 1.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, *branches: Tensor) -> tuple[Tensor, ...]:
        """Drop and scale tensors (B, ...); the shapes stay the same."""
        if self.p == 0 or not self.training:
            return branches
        kept = branches[0].new_empty(len(branches[0])).bernoulli_(1 - self.p).div_(1 - self.p)
        return tuple(branch * kept.view(-1, *[1] * (branch.ndim - 1)) for branch in branches)
