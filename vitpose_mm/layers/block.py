"""The transformer block, and stochastic depth."""

from torch import Tensor, nn

from .attention import Streams

NORM_EPS = 1e-6


class DropPath(nn.Module):
    """During training, drop all branches of a sample together and scale those of the other samples up.

    The probability `p` to drop is >= 0 and < 1. Source: stochastic depth (arXiv 1603.09382). For a single branch this
    equals torchvision's StochasticDepth, random numbers included.
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


class Block(nn.Module):
    """Pre-norm block: x + attention(norm(x)), then x + FFN(norm(x)), each with drop path.

    Knowledge tokens pass through the same norms and FFN as the grid.

    Args:
        dim: width C of a token.
        attn: maps all streams to streams of the same shapes.
        mlp: maps one stream to the same shape; receives the other arguments of the block.
        drop_path: probability to drop the branches of a sample during training.
    """

    def __init__(self, dim: int, attn: nn.Module, mlp: nn.Module, drop_path: float = 0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = mlp
        self.drop_path = DropPath(drop_path)

    def forward(self, streams: Streams, *route: int | Tensor) -> Streams:
        """Map grid (B, Hp, Wp, C) and optional tokens (B, T, C) to the same shapes; `route` is passed to `mlp`."""
        streams = _add(streams, self.drop_path(*self.attn(*[self.norm1(x) for x in streams])))
        return _add(streams, self.drop_path(*[self.mlp(self.norm2(x), *route) for x in streams]))


def _add(streams: Streams, branches: Streams) -> Streams:
    return tuple([x + branches[i] for i, x in enumerate(streams)])  # torch 2.1 does not compile zip(strict=True)
