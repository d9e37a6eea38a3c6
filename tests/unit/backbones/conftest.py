"""What the tests of backbones share."""

import pytest
import torch


@pytest.fixture
def fresh_compiler():
    """Forget what was compiled: torch refuses a ninth variant of one function, whoever asked for the first eight."""
    torch.compiler.reset()
