"""Sizes of ViTPose's backbones."""

from dataclasses import dataclass

from .options import check_keys


@dataclass(frozen=True)
class Size:
    """Number of blocks, width C of a token, number of attention heads, and hidden width of the FFN / C."""

    depth: int
    embed_dim: int
    num_heads: int
    mlp_ratio: float = 4


# Small to huge: ViTPose section 3.1 and the authors' configs. The smallest is DeiT's; the paper has none that small.
SIZES = {
    'deit-tiny': Size(12, 192, 3),
    'small': Size(12, 384, 12),
    'base': Size(12, 768, 12),
    'large': Size(24, 1024, 16),
    'huge': Size(32, 1280, 16),
}


def parse_size(arch: str | dict) -> Size:
    """Return the size of a name, or of a dict of its fields. ValueError for others, and for a value <= 0."""
    if isinstance(arch, str) and arch in SIZES:
        return SIZES[arch]
    check_keys(
        'arch', arch, ('depth', 'embed_dim', 'num_heads'), optional=['mlp_ratio'], instead=f'one of {", ".join(SIZES)}'
    )
    assert isinstance(arch, dict)
    for field, value in arch.items():
        if value <= 0:
            raise ValueError(f'arch: {field}={value} must be > 0')
    return Size(**arch)
