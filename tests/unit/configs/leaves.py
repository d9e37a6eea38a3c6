"""The leaves of configs/, and a parametrisation of tests by them."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
LEAVES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)


def name(leaf: Path) -> str:
    """A leaf's path below configs/."""
    return leaf.relative_to(CONFIGS).as_posix()


def once_per_leaf(
    leaves: Iterable[Path] = LEAVES, slow: Callable[[Path], bool] = lambda leaf: False
) -> pytest.MarkDecorator:
    """Run a test that takes `leaf`, or `cfg`, once per leaf; mark some runs as slow."""
    params = [pytest.param(leaf, id=name(leaf), marks=[pytest.mark.slow] * slow(leaf)) for leaf in leaves]
    return pytest.mark.parametrize('leaf', params)
