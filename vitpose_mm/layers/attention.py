"""Multi-head self-attention over a token grid: full, or in windows."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .rel_pos import DecomposedRelPos
from .window import fit_window, partition, pool_windows, unpartition, window_masks


class Attention(nn.Module):
    """Multi-head self-attention with biased qkv, through torch's fused kernels.

    Args:
        dim: width C of a token.
        num_heads: heads; must divide `dim`.

    Raises:
        ValueError: the heads do not divide the width.
    """

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        if num_heads < 1 or dim % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide embed_dim={dim}: choose a divisor of the width')
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, Hp, Wp, C) -> (B, Hp, Wp, C)."""
        return self.mix(self.qkv(x))

    def mix(self, qkv: Tensor) -> Tensor:
        """(B, Hp, Wp, 3 * C) -> (B, Hp, Wp, C): attention and the projection of its heads."""
        return self.proj(self.attend(qkv))

    def attend(self, qkv: Tensor) -> Tensor:
        """(B, Hp, Wp, 3 * C) -> (B, Hp, Wp, C), before the projection."""
        batch, height, width, _ = qkv.shape
        qkv = qkv.view(batch, height * width, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, C / heads)
        attended = F.scaled_dot_product_attention(query, key, value)
        return attended.transpose(1, 2).reshape(batch, height, width, -1)


class WindowAttention(Attention):
    """Attention inside each window, with shift, pooled tokens and relative position as options.

    Pooled tokens: the mean of each window's real tokens, of the same (shifted) partition, joins the
    keys and values of every window. It is projected by the block's own keys and values: no new
    parameters. As the projection is linear, the mean of the projected tokens is the same and
    cheaper, and is what is computed. ViTPose section 3.3 leaves open whether tokens are pooled
    before or after the projection and of which partition; this is our reading of it.

    Padding takes part in nothing. A grid that one window covers gets full attention.

    Training keeps of all this what `qkv` gave and no more: windows, their keys with the pooled
    tokens and what they attended to are made again for the gradient. Within windows that costs
    little; full attention, whose cost grows with the square of the grid, keeps its result.

    Args:
        dim: width C of a token.
        num_heads: heads; must divide `dim`.
        window: (h, w) in tokens.
        shift: shift the windows by half their sides.
        pool: add the pooled tokens of all windows to each window's keys and values.
        rel_pos: add decomposed relative position; pooled tokens have none.
    """

    def __init__(self, dim: int, num_heads: int, window: tuple[int, int], shift: bool = False, pool: bool = False,
                 rel_pos: bool = False):
        super().__init__(dim, num_heads)
        self.window, self.shift, self.pool = window, shift, pool
        self.rel_pos = DecomposedRelPos(window, dim // num_heads) if rel_pos else None

    def mix(self, qkv: Tensor) -> Tensor:
        """(B, Hp, Wp, 3 * C) -> (B, Hp, Wp, C): attention and the projection of its heads."""
        if self.training:
            return checkpoint(super().mix, qkv, use_reentrant=False, preserve_rng_state=False)
        return super().mix(qkv)

    def attend(self, qkv: Tensor) -> Tensor:
        """(B, Hp, Wp, 3 * C) -> (B, Hp, Wp, C), before the projection."""
        grid = (qkv.shape[1], qkv.shape[2])
        window, shift = fit_window(grid, self.window, self.shift)
        windows = partition(qkv, window, shift)  # (B, G, n, 3 * C)
        batch, count, tokens, _ = windows.shape
        windows = windows.view(batch, count, tokens, 3, self.num_heads, -1)
        query, key, value = windows.permute(3, 0, 1, 4, 2, 5)  # each (B, G, heads, n, C / heads)
        real, pairs = window_masks(grid, window, shift, qkv.device)
        mask = None if pairs is None else pairs[None, :, None]  # (1, G, 1, n, n)
        if self.rel_pos is not None:
            bias = self.rel_pos(query, window)
            mask = bias if mask is None else bias.masked_fill(~mask, -torch.inf)
        if self.pool and count > 1:
            key, value = (self._with_pooled(tensor, real) for tensor in (key, value))
            if mask is not None:
                # zero as a bias, True as a mask: every token may attend to every pooled token
                mask = F.pad(mask, (0, count), value=mask.dtype == torch.bool)
        # windows and heads share one axis, over which a mask of all samples is broadcast
        if mask is not None:
            mask = mask.expand(-1, -1, self.num_heads, -1, -1).flatten(1, 2)
        attended = F.scaled_dot_product_attention(query.flatten(1, 2), key.flatten(1, 2), value.flatten(1, 2), mask)
        attended = attended.view(batch, count, self.num_heads, tokens, -1).transpose(2, 3).flatten(3)
        return unpartition(attended, grid, window, shift)

    @staticmethod
    def _with_pooled(tensor: Tensor, real: Tensor) -> Tensor:
        """Append all windows' means: (B, G, heads, n, d) -> (B, G, heads, n + G, d)."""
        pooled = pool_windows(tensor.transpose(1, 2), real)  # (B, heads, G, d)
        return torch.cat([tensor, pooled[:, None].expand(-1, tensor.shape[1], -1, -1, -1)], dim=3)
