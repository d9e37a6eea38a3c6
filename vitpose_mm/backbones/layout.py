"""Which block gets which attention, as data."""

from dataclasses import dataclass

from ..layers import Attention, WindowAttention

FIELDS = ('window_size', 'shift', 'pool', 'rel_pos', 'full_every_quarter', 'recompute')


@dataclass(frozen=True)
class BlockAttention:
    """Attention of one block; without a window it is full.

    `window` is (h, w) in tokens; `shift` shifts it by half its sides; `pool` lets every token see
    the mean of every window; `rel_pos` adds decomposed relative position; `recompute` computes
    windows again in the backward pass.
    """

    window: tuple[int, int] | None = None
    shift: bool = False
    pool: bool = False
    rel_pos: bool = False
    recompute: bool = True

    def build(self, dim: int, num_heads: int, checkpointed: bool = False) -> Attention:
        """The module: maps (B, Hp, Wp, C) to the same shape; a checkpointed block recomputes all of it anyway."""
        if self.window is None:
            return Attention(dim, num_heads)
        return WindowAttention(
            dim, num_heads, self.window, self.shift, self.pool, self.rel_pos, self.recompute and not checkpointed
        )

    def __str__(self) -> str:
        """A few words, such as 'window 8x8 + shift + pool'."""
        if self.window is None:
            return 'full'
        parts = [f'window {self.window[0]}x{self.window[1]}']
        parts += [name for name in ('shift', 'pool', 'rel_pos') if getattr(self, name)]
        return ' + '.join(parts)


def attention_layout(depth: int, attention: str | dict) -> list[BlockAttention]:
    """Lay attention out over the blocks.

    Every second windowed block is shifted. `full_every_quarter` makes the last block of each
    quarter full, as ViTDet. Source: ViTPose table 5.

    Args:
        depth: blocks.
        attention: 'full', or dict(window_size=(h, w), shift=False, pool=False, rel_pos=None or
            'decomposed', full_every_quarter=False, recompute=True). `recompute=False` keeps what the
            windows of a block computed for the backward pass, which takes more memory.

    Raises:
        ValueError: the message names what does not fit and the way out.
    """
    if attention == 'full':
        return [BlockAttention()] * depth
    if not isinstance(attention, dict):
        raise ValueError(f"attention={attention!r}: expected 'full' or a dict of {', '.join(FIELDS)}")
    unknown = set(attention) - set(FIELDS)
    if unknown:
        raise ValueError(f'attention has unknown keys {sorted(unknown)}: it takes {", ".join(FIELDS)}')
    rel_pos = attention.get('rel_pos')
    if rel_pos not in (None, 'decomposed'):
        raise ValueError(f"attention: rel_pos={rel_pos!r}, expected None or 'decomposed'")
    if 'window_size' not in attention:
        raise ValueError(
            f'attention={dict(attention)} has no window_size=(h, w), which shift, pool and rel_pos need; '
            "for attention without windows write attention='full'"
        )
    window = attention['window_size']
    if not isinstance(window, (tuple, list)) or len(window) != 2 or not all(type(s) is int and s >= 1 for s in window):
        raise ValueError(f'attention: window_size={window!r}, expected (h, w) in tokens, each at least 1')
    full = set()
    if attention.get('full_every_quarter'):
        if depth < 4:
            raise ValueError(f'attention: full_every_quarter needs a depth of at least 4, this model has {depth}')
        full = {quarter * depth // 4 - 1 for quarter in range(1, 5)}
    layout, windowed = [], 0
    for block in range(depth):
        if block in full:
            layout.append(BlockAttention())
        else:
            shift = bool(attention.get('shift')) and windowed % 2 == 1
            layout.append(
                BlockAttention(
                    tuple(window),
                    shift,
                    bool(attention.get('pool')),
                    rel_pos is not None,
                    attention.get('recompute', True),
                )
            )
            windowed += 1
    return layout
