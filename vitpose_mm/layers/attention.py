"""Multi-head self-attention over a token grid, full or windowed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .window import fit_window, partition, pool_windows, unpartition, window_masks

Streams = tuple[Tensor, ...]  # the token grid and, if there are any, the knowledge tokens
# torch 2.1.2's fused CPU kernel writes past its buffers in the backward pass of an odd number of bf16 queries or keys
# on several threads; the kernel of 2.14.1 does not. With a mask, torch 2.1 uses a different kernel.
ODD_IS_UNSAFE = torch.__version__ < (2, 4)  # type: ignore[operator]
# Up to this number of keys, bf16 attention on the CPU is trained in float32 and rounded, which is faster there: see
# "Attention on the CPU" in docs/training_speed.md.
MAX_FLOAT32_KEYS = 256


class Attention(nn.Module):
    """Multi-head self-attention with biased qkv, through torch's fused kernels.

    Knowledge tokens are appended to the grid's tokens: every token attends to all. ValueError if the number of heads
    does not divide the width C of a token, `dim`.
    """

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        if num_heads < 1 or dim % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide embed_dim={dim}: choose a divisor of the width')
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, *streams: Tensor) -> Streams:
        """Map the grid (B, Hp, Wp, C) and optional knowledge tokens (B, T, C) to the same shapes."""
        return self.mix(*[self.qkv(stream) for stream in streams])

    def mix(self, *qkv: Tensor) -> Streams:
        """Map streams of width 3 * C to streams of width C: attention and output projection."""
        return tuple([self.proj(stream) for stream in self.attend(*qkv)])

    def attend(self, grid: Tensor, *tokens: Tensor) -> Streams:
        """Map streams of width 3 * C to streams of width C, before the output projection."""
        streams = (grid.flatten(1, 2), *tokens)
        sequence = torch.cat(streams, dim=1) if tokens else streams[0]
        attended = _join_heads(fused_attention(*self._split_heads(sequence)))
        cells, *others = attended.split([stream.shape[1] for stream in streams], dim=1) if tokens else (attended,)
        return cells.unflatten(1, grid.shape[1:3]), *others

    def _split_heads(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split (..., n, 3 * C) into query, key and value, each (..., heads, n, C / heads)."""
        query, key, value = qkv.unflatten(-1, (3, self.num_heads, -1)).movedim(-3, 0).transpose(-3, -2)
        return query, key, value


def fused_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attend: queries (..., n, d), keys and values (..., m, d), mask broadcastable to (..., n, m) -> (..., n, d)."""
    if query.device.type == 'cpu' and query.dtype == torch.bfloat16:
        if query.requires_grad and key.shape[-2] <= MAX_FLOAT32_KEYS:
            if mask is not None and mask.is_floating_point():
                mask = mask.float()
            with torch.autocast('cpu', enabled=False):
                return F.scaled_dot_product_attention(query.float(), key.float(), value.float(), mask).to(query.dtype)
        odd = query.shape[-2] % 2 or key.shape[-2] % 2
        if ODD_IS_UNSAFE and odd and mask is None:
            mask = query.new_zeros(1, key.shape[-2])
    return F.scaled_dot_product_attention(query, key, value, mask)


def _join_heads(attended: Tensor) -> Tensor:
    """Join heads: (..., heads, n, C / heads) -> (..., n, C)."""
    return attended.transpose(-3, -2).flatten(-2)


class DecomposedRelPos(nn.Module):
    """Attention bias from the query and the offset along each axis of a window (h, w): q . Rh[dh] + q . Rw[dw].

    Source: MViTv2 (arXiv 2112.01526) as in ViTDet, which ViTPose cites without details. As in the
    source, the query is not scaled. The tables, and therefore the bias, are initialized to zero.
    """

    offsets_h: Tensor
    offsets_w: Tensor

    def __init__(self, window: tuple[int, int], head_dim: int):
        super().__init__()
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * window[0] - 1, head_dim))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * window[1] - 1, head_dim))
        # table index of each pair of rows or columns; a smaller window uses the first rows and columns
        for name, side in zip(('offsets_h', 'offsets_w'), window, strict=True):
            index = torch.arange(side)
            self.register_buffer(name, index[:, None] - index[None, :] + side - 1, persistent=False)

    def forward(self, query: Tensor, window: tuple[int, int]) -> Tensor:
        """Compute the bias (..., n, n) for queries (..., n, head_dim) of a window (h, w), n = h * w."""
        height, width = window
        table_h = self.rel_pos_h[self.offsets_h[:height, :height]].to(query.dtype)  # (h, h, head_dim)
        table_w = self.rel_pos_w[self.offsets_w[:width, :width]].to(query.dtype)
        query = query.unflatten(-2, (height, width))
        bias_h = torch.einsum('...hwd,hkd->...hwk', query, table_h)
        bias_w = torch.einsum('...hwd,wkd->...hwk', query, table_w)
        bias = bias_h[..., :, None] + bias_w[..., None, :]  # (..., h, w, h, w)
        return bias.flatten(-2).flatten(-3, -2)


class WindowAttention(Attention):
    """Attention within windows, optionally with shift, pooled tokens and relative position.

    Pooled tokens: the mean over the tokens of each window, padding excluded, is added to the keys and
    values of every window. The windows are those of the same, possibly shifted, partition. Pooling
    adds no parameters: keys and values are averaged after their projection, which is linear, so this
    equals projecting the averaged tokens and is cheaper. ViTPose section 3.3 leaves open whether
    tokens are pooled before or after the projection and which partition is used; this is our choice.

    Padding is masked. A grid that fits into one window gets full attention.

    Knowledge tokens are added to the keys and values of every window, without relative position. Their queries attend
    to the whole grid and to the knowledge tokens. The paper does not combine them with windows; this is our choice.

    With `recompute` only the output of `qkv` is saved; the rest is recomputed in the backward pass.
    Full attention is never recomputed, because its cost grows with the square of the number of tokens.

    Args:
        dim: width C of a token.
        num_heads: heads; must divide `dim`.
        window: (h, w) in tokens.
        shift: shift the windows by half their sides.
        pool: add the pooled tokens of all windows to the keys and values of each window.
        rel_pos: add decomposed relative position; it does not apply to pooled tokens.
        recompute: save memory by computing attention again in the backward pass.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window: tuple[int, int],
        shift: bool = False,
        pool: bool = False,
        rel_pos: bool = False,
        recompute: bool = True,
    ):
        super().__init__(dim, num_heads)
        self.window, self.shift, self.pool, self.recompute = window, shift, pool, recompute
        self.rel_pos = DecomposedRelPos(window, dim // num_heads) if rel_pos else None

    def mix(self, *qkv: Tensor) -> Streams:
        """Map streams of width 3 * C to streams of width C: attention and output projection."""
        # frozen attention stays in eval mode but still passes gradients to its input
        if self.recompute and (self.training or not self.qkv.weight.requires_grad):
            return checkpoint(super().mix, *qkv, use_reentrant=False, preserve_rng_state=False)
        return super().mix(*qkv)

    def attend(self, grid: Tensor, *tokens: Tensor) -> Streams:
        """Map streams of width 3 * C to streams of width C, before the output projection."""
        size = (grid.shape[1], grid.shape[2])
        window, shift = fit_window(size, self.window, self.shift)
        query, key, value = self._split_heads(partition(grid, window, shift))  # each (B, G, heads, n, C / heads)
        count = query.shape[1]
        real, pairs = window_masks(grid, window, shift)
        mask = None if pairs is None else pairs[None, :, None]  # (1, G, 1, n, n)
        if self.rel_pos is not None:
            bias = self.rel_pos(query, window)
            mask = bias if mask is None else bias.masked_fill(~mask, -torch.inf)
        # keys and values that all windows share: (B, heads, m, C / heads)
        shared: list[Streams] = [self._split_heads(part)[1:] for part in tokens]
        if self.pool and count > 1:
            shared.append(tuple(pool_windows(tensor.transpose(1, 2), real) for tensor in (key, value)))
        if shared:
            more = [torch.cat(parts, dim=2) for parts in zip(*shared, strict=True)]
            key, value = (
                torch.cat([windows, part[:, None].expand(-1, count, -1, -1, -1)], dim=3)
                for windows, part in zip((key, value), more, strict=True)
            )
            if mask is not None:
                # every token may attend to the shared keys: bias 0, or mask True
                mask = F.pad(mask, (0, more[0].shape[2]), value=mask.dtype == torch.bool)
        # merge windows and heads into one axis: the mask broadcasts over the samples
        if mask is not None:
            mask = mask.expand(-1, -1, self.num_heads, -1, -1).flatten(1, 2)
        attended = fused_attention(query.flatten(1, 2), key.flatten(1, 2), value.flatten(1, 2), mask)
        attended = _join_heads(attended.unflatten(1, (count, self.num_heads)))
        return unpartition(attended, size, window, shift), *[self._attend_to_all(part, grid) for part in tokens]

    def _attend_to_all(self, tokens: Tensor, grid: Tensor) -> Tensor:
        """Let the knowledge tokens (B, T, 3 * C), which are in no window, attend to grid and tokens -> (B, T, C)."""
        query, *_ = self._split_heads(tokens)
        _, key, value = self._split_heads(torch.cat([grid.flatten(1, 2), tokens], dim=1))
        return _join_heads(fused_attention(query, key, value))
