"""The weights to start from: a pose model's, with a new final layer."""

from pathlib import Path
from typing import Any


def write_start(checkpoint: Path, file: Path, config: Any) -> str:
    """Write a checkpoint that the config's model loads whole."""
    raise NotImplementedError
