"""Every leaf config in configs/, as the arguments `leaf` (its path) and `cfg` (the loaded config)."""

from pathlib import Path

import pytest
from mmengine.config import Config

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
LEAVES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the argument `leaf` once per leaf config."""
    if 'leaf' in metafunc.fixturenames:
        metafunc.parametrize('leaf', LEAVES, ids=[str(p.relative_to(CONFIGS)) for p in LEAVES])


@pytest.fixture
def cfg(leaf: Path) -> Config:
    """The leaf config, merged with its base files."""
    return Config.fromfile(leaf)
