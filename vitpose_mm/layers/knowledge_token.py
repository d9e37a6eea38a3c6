"""Knowledge tokens, which transfer knowledge from a teacher to a student."""

import torch
from torch import Tensor, nn


class KnowledgeToken(nn.Module):
    """Learned tokens that are added to the tokens of each image after patch embedding.

    Source: ViTPose section 3.4, which leaves the number of tokens, position embedding and the use of a
    wide token in a narrow model open. Ours: one token and no position embedding by default, and a
    trained linear projection if the widths differ.

    Args:
        dim: width C of the model's tokens.
        count: tokens T.
        width: width of the stored tokens; None for `dim`.
        frozen: do not train the tokens; projection and position embedding are still trained.
        pos_embed: add a trained position embedding, initialized to zero.

    Raises:
        ValueError: count or width is not an integer >= 1.
    """

    def __init__(
        self, dim: int, count: int = 1, width: int | None = None, frozen: bool = False, pos_embed: bool = False
    ):
        super().__init__()
        width = dim if width is None else width
        for name, value in (('count', count), ('width', width)):
            if type(value) is not int or value < 1:
                raise ValueError(f'knowledge_token: {name}={value!r}, expected an integer >= 1')
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
        """Return the tokens (B, T, C) for a batch size B."""
        tokens = self.proj(self.tokens).to(self.tokens.dtype)  # autocast must not round the residual stream
        if self.pos_embed is not None:
            tokens = tokens + self.pos_embed
        return tokens.repeat(batch, 1, 1)
