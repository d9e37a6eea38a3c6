"""The config of a leaf."""

from pathlib import Path

import pytest
from mmengine.config import Config


@pytest.fixture
def cfg(leaf: Path) -> Config:
    """The leaf's config, composed."""
    return Config.fromfile(leaf)
