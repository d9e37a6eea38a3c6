"""Options of `ViT` that are dicts or pairs, checked."""

from ..layers import KnowledgeToken


def expert_names(experts: dict | None) -> tuple[str, ...]:
    """The names of the datasets that have an expert, in their order.

    Raises:
        ValueError: another key than names and part, no name, or one name twice.
    """
    if experts is None:
        return ()
    names = tuple(experts.get('names', ())) if isinstance(experts, dict) else ()
    if set(experts) != {'names', 'part'} or not names or len(set(names)) < len(names):
        raise ValueError(f"experts={experts}: expected dict(names=['coco', ...], part=192), each name once")
    return names


def check_size(argument: str, size: object) -> None:
    """Refuse anything but (h, w) or None.

    Raises:
        ValueError: names the argument.
    """
    if size is not None and (not isinstance(size, (tuple, list)) or len(size) != 2):
        raise ValueError(f'{argument}={size!r}: expected (h, w) in pixels')


def build_token(dim: int, options: dict | None) -> tuple[KnowledgeToken | None, str | None]:
    """The module of `ViT(knowledge_token=...)` for a net of width `dim`, and the file it starts from.

    Raises:
        ValueError: an unknown option, or a bad value.
    """
    if options is None:
        return None, None
    known = {'count', 'width', 'frozen', 'pos_embed', 'init'}
    if not isinstance(options, dict):
        raise ValueError(f'knowledge_token={options!r}: expected None or a dict of {", ".join(sorted(known))}')
    if not set(options) <= known:
        raise ValueError(
            f'knowledge_token has unknown keys {sorted(set(options) - known)}: it takes {", ".join(sorted(known))}'
        )
    options = dict(options)
    file = options.pop('init', None)
    return KnowledgeToken(dim, **options), file
