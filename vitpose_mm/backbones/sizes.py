"""The sizes of ViTPose's backbones."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Size:
    """Depth in blocks, width of a token, attention heads, and the FFN's width over the token's."""

    depth: int
    embed_dim: int
    num_heads: int
    mlp_ratio: float = 4


# Small to huge: ViTPose section 3.1 and the authors' configs. Tiny is DeiT's, for small machines.
SIZES = {
    'tiny': Size(12, 192, 3),
    'small': Size(12, 384, 12),
    'base': Size(12, 768, 12),
    'large': Size(24, 1024, 16),
    'huge': Size(32, 1280, 16),
}


def parse_size(arch: str | dict) -> Size:
    """Look a size up by name, or make one of a dict of the same fields.

    Raises:
        ValueError: an unknown name, an unknown or missing field, or a number below 1.
    """
    if isinstance(arch, str):
        if arch not in SIZES:
            raise ValueError(
                f'arch={arch!r} is unknown: choose one of {", ".join(SIZES)}, or give a dict of '
                f'{", ".join(f.name for f in fields(Size))}'
            )
        return SIZES[arch]
    known = {f.name for f in fields(Size)}
    if not isinstance(arch, dict):
        raise ValueError(f'arch={arch!r}: expected one of {", ".join(SIZES)}, or a dict of {", ".join(sorted(known))}')
    required = known - {'mlp_ratio'}
    if not required <= set(arch) <= known:
        raise ValueError(
            f'arch={dict(arch)}: a dict takes {", ".join(sorted(required))} and, if not 4, mlp_ratio; '
            f'missing: {sorted(required - set(arch))}, unknown: {sorted(set(arch) - known)}'
        )
    for field, value in arch.items():
        if value <= 0:
            raise ValueError(f'arch: {field}={value} must be above 0')
    return Size(**arch)
