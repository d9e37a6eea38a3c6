"""The one transformer block."""

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

NORM_EPS = 1e-6


class Block(nn.Module):
    """Pre-norm block: x + attention(norm(x)), then x + FFN(norm(x)), each with drop path.

    Args:
        dim: width C of a token.
        attn: maps (B, Hp, Wp, C) to the same shape.
        mlp: likewise; takes what else the block is called with.
        drop_path: chance to drop a branch of a sample while training.
    """

    def __init__(self, dim: int, attn: nn.Module, mlp: nn.Module, drop_path: float = 0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = mlp
        self.drop_path = StochasticDepth(drop_path, mode='row')

    def forward(self, x: Tensor, *route: int | Tensor) -> Tensor:
        """(B, Hp, Wp, C) -> (B, Hp, Wp, C)."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x), *route))
