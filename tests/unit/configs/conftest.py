"""Every leaf config in configs/, as the arguments `leaf` (its path) and `cfg` (the loaded config).

`pose_leaf` and `pose_cfg` are those with a pose estimator, `pretrain_cfg` those with a masked autoencoder.
"""

from pathlib import Path

import pytest
from mmengine.config import Config

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
LEAVES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
PRETRAIN = [path for path in LEAVES if path.parent.name == 'pretrain']
GROUPS = {'leaf': LEAVES, 'pose_leaf': [path for path in LEAVES if path not in PRETRAIN], 'pretrain_leaf': PRETRAIN}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with one of these arguments once per leaf config."""
    for name, leaves in GROUPS.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, leaves, ids=[str(p.relative_to(CONFIGS)) for p in leaves])


@pytest.fixture
def cfg(leaf: Path) -> Config:
    """The leaf config, merged with its base files."""
    return Config.fromfile(leaf)


@pytest.fixture
def pose_cfg(pose_leaf: Path) -> Config:
    """The config of a pose estimator, merged with its base files."""
    return Config.fromfile(pose_leaf)


@pytest.fixture
def pretrain_cfg(pretrain_leaf: Path) -> Config:
    """The config of a masked autoencoder, merged with its base files."""
    return Config.fromfile(pretrain_leaf)
