"""Every leaf config in configs/, as the arguments `leaf` (its path) and `cfg` (the loaded config).

`pose_leaf` and `pose_cfg` are those with a pose estimator, `pretrain_cfg` those with a masked autoencoder.
`resized_leaf` is the config of another model size that ViT-B also has, `distinct_leaf` every other pose estimator.
"""

import copy
import re
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.unit.configs.reading import CONFIGS, read_config

LEAVES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
PRETRAIN = [path for path in LEAVES if path.parent.name == 'pretrain']
POSE = [path for path in LEAVES if path not in PRETRAIN]


def of_base(leaf: Path) -> Path:
    """The path of a leaf with `base` in place of its model size."""
    return leaf.with_name(re.sub(r'^vitpose-(small|large|huge)(?=(-simple)?_)', 'vitpose-base', leaf.name))


RESIZED = [path for path in POSE if of_base(path) != path and of_base(path) in POSE]
GROUPS = {
    'leaf': LEAVES,
    'pose_leaf': POSE,
    'pretrain_leaf': PRETRAIN,
    'resized_leaf': RESIZED,
    'distinct_leaf': [path for path in POSE if path not in RESIZED],
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with one of these arguments once per leaf config."""
    for name, leaves in GROUPS.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, leaves, ids=[str(p.relative_to(CONFIGS)) for p in leaves])


@pytest.fixture
def cfg(leaf: Path) -> Config:
    """The leaf config, merged with its base files."""
    return copy.deepcopy(read_config(leaf))


@pytest.fixture
def pose_cfg(pose_leaf: Path) -> Config:
    """The config of a pose estimator, merged with its base files."""
    return copy.deepcopy(read_config(pose_leaf))


@pytest.fixture
def distinct_cfg(distinct_leaf: Path) -> Config:
    """The config of a pose estimator, merged with its base files; one model size where only the size differs."""
    return copy.deepcopy(read_config(distinct_leaf))


@pytest.fixture
def base_leaf(resized_leaf: Path) -> Path:
    """The leaf for ViT-B of a leaf for another size."""
    return of_base(resized_leaf)


@pytest.fixture
def pretrain_cfg(pretrain_leaf: Path) -> Config:
    """The config of a masked autoencoder, merged with its base files."""
    return copy.deepcopy(read_config(pretrain_leaf))
