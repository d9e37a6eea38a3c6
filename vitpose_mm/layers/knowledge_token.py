"""Learned tokens that carry a teacher's knowledge."""

import torch
from torch import Tensor, nn


class KnowledgeToken(nn.Module):
    """Tokens that join an image's tokens after patch embedding.

    Source: ViTPose section 3.4, which leaves count, position embedding and how a wider token enters
    a narrower net open: by default one token, none, and a trained linear projection. Where the
    widths agree there is no projection.

    Args:
        dim: width C of the net's tokens.
        count: tokens T.
        width: width of the stored tokens; None for the net's own.
        frozen: do not train the tokens; projection and position embedding do train.
        pos_embed: add a trained position embedding, which starts at zero.

    Raises:
        ValueError: count or width is no whole number from 1.
    """

    def __init__(
        self, dim: int, count: int = 1, width: int | None = None, frozen: bool = False, pos_embed: bool = False
    ):
        super().__init__()
        width = dim if width is None else width
        for name, value in (('count', count), ('width', width)):
            if type(value) is not int or value < 1:
                raise ValueError(f'knowledge_token: {name}={value!r}, expected a whole number from 1')
        self.frozen = frozen
        self.tokens = nn.Parameter(torch.empty(1, count, width), requires_grad=not frozen)
        nn.init.trunc_normal_(self.tokens, std=0.02)
        self.proj: nn.Module = nn.Identity()
        if width != dim:
            self.proj = nn.Linear(width, dim)
            nn.init.trunc_normal_(self.proj.weight, std=0.02)
            nn.init.zeros_(self.proj.bias)
        self.pos_embed = nn.Parameter(torch.zeros(1, count, dim)) if pos_embed else None

    def forward(self, batch: int) -> Tensor:
        """Number of images B -> (B, T, C)."""
        tokens = self.proj(self.tokens).to(self.tokens.dtype)  # autocast would round the residual stream
        if self.pos_embed is not None:
            tokens = tokens + self.pos_embed
        return tokens.repeat(batch, 1, 1)
