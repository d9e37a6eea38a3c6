"""The attention of each block, as data."""

from dataclasses import dataclass, replace
from itertools import cycle

from ..layers import Attention, WindowAttention
from .options import check_keys

OPTIONAL_KEYS = ('shift', 'pool', 'rel_pos', 'full_every_quarter', 'recompute')


@dataclass(frozen=True)
class BlockAttention:
    """Attention of one block: full if there is no window, else arguments of `WindowAttention`."""

    window: tuple[int, int] | None = None
    shift: bool = False
    pool: bool = False
    rel_pos: bool = False
    recompute: bool = True

    def build(self, dim: int, num_heads: int, checkpointed: bool = False) -> Attention:
        """Build the module; with activation checkpointing the whole block is recomputed, so `recompute` is off."""
        if self.window is None:
            return Attention(dim, num_heads)
        return WindowAttention(
            dim, num_heads, self.window, self.shift, self.pool, self.rel_pos, self.recompute and not checkpointed
        )

    def __str__(self) -> str:
        """Return 'full' or, for example, 'window 8x8 + shift + pool'."""
        if self.window is None:
            return 'full'
        parts = [f'window {self.window[0]}x{self.window[1]}']
        parts += [name for name in ('shift', 'pool', 'rel_pos') if getattr(self, name)]
        return ' + '.join(parts)


def attention_layout(depth: int, attention: str | dict) -> list[BlockAttention]:
    """List the attention of each of the `depth` blocks.

    With `shift`, every second windowed block is shifted. With `full_every_quarter`, the last block of each quarter is
    full, as in ViTDet. Source: ViTPose table 5. `attention` is 'full', or dict(window_size=(h, w), shift=False,
    pool=False, rel_pos=None or 'decomposed', full_every_quarter=False, recompute=True); `recompute=False` saves the
    windows' intermediate results for the backward pass, which takes more memory. ValueError for other keys and values.
    """
    if attention == 'full':
        return [BlockAttention()] * depth
    check_keys('attention', attention, required=('window_size',), optional=OPTIONAL_KEYS, instead="'full' (no windows)")
    assert isinstance(attention, dict)
    rel_pos = attention.get('rel_pos')
    if rel_pos not in (None, 'decomposed'):
        raise ValueError(f"attention: rel_pos={rel_pos!r}, expected None or 'decomposed'")
    window = attention['window_size']
    if not isinstance(window, (tuple, list)) or len(window) != 2 or not all(type(s) is int and s >= 1 for s in window):
        raise ValueError(f'attention: window_size={window!r}, expected (h, w) in tokens, integers >= 1')
    full = set()
    if attention.get('full_every_quarter'):
        if depth < 4:
            raise ValueError(f'attention: full_every_quarter needs a depth >= 4, this model has {depth}')
        full = {quarter * depth // 4 - 1 for quarter in range(1, 5)}
    windowed = BlockAttention(
        tuple(window),
        pool=bool(attention.get('pool')),
        rel_pos=rel_pos is not None,
        recompute=attention.get('recompute', True),
    )
    shifted = replace(windowed, shift=bool(attention.get('shift')))
    kinds = cycle((windowed, shifted))
    return [BlockAttention() if block in full else next(kinds) for block in range(depth)]
