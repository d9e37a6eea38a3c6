"""The feed-forward network of a block."""

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
