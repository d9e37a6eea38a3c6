"""Check the options of `ViT` that are dicts or sizes."""

import logging
from collections.abc import Sequence

from ..logs import log


def check_keys(
    option: str, value: object, required: Sequence[str] = (), optional: Sequence[str] = (), instead: str = 'None'
) -> None:
    """Raise a ValueError unless the value of an option is a dict with these keys.

    The message lists them, and `instead`, what is accepted instead of a dict.
    """
    problem = ''
    if isinstance(value, dict):
        unknown = [key for key in value if key not in (*required, *optional)]
        missing = [key for key in required if key not in value]
        if not unknown and not missing:
            return
        value, problem = dict(value), f'unknown keys {unknown}, missing keys {missing}; '
    keys = ' and '.join(', '.join(part) for part in (required, [f'{key} (optional)' for key in optional]) if part)
    raise ValueError(f'{option}={value!r}: {problem}expected {instead} or a dict of {keys}')


def check_size(option: str, size: object) -> None:
    """Raise a ValueError that names the option unless the size is (h, w) or None."""
    if size is not None and (not isinstance(size, (tuple, list)) or len(size) != 2):
        raise ValueError(f'{option}={size!r}: expected (h, w) in pixels')


def warn_if_transposed(size: tuple[int, ...], img_size: tuple[int, ...]) -> None:
    """Warn once if the images have the size (h, w) of `img_size` transposed."""
    if size != img_size and size == img_size[::-1]:
        log(
            f'ViT: the images are {size}, but img_size={img_size}: both should be (h, w), but one looks transposed. '
            'The position table is resized for each batch',
            logging.WARNING,
        )


def parse_experts(experts: dict | None) -> tuple[tuple[str, ...], int, str | None]:
    """Return the experts' datasets in order, an expert's number of outputs, and whose copy new experts start as.

    Without experts: (), 0, None. ValueError for an unknown or missing key, no or repeated names, or a bad `new_from`.
    """
    if experts is None:
        return (), 0, None
    check_keys('experts', experts, required=('names', 'expert_dim'), optional=('new_from',))
    new_from = experts.get('new_from')
    if new_from is not None and not isinstance(new_from, str):
        raise ValueError(
            f"experts: new_from={new_from!r}, expected the name of one of the checkpoint's datasets, or None"
        )
    names = tuple(experts['names'])
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"experts: names={list(names)}, expected at least one dataset, each once, like ['coco', 'aic']"
        )
    return names, experts['expert_dim'], new_from
