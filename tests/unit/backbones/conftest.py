"""Fixtures for the tests of backbones."""

import pytest
import torch


@pytest.fixture
def fresh_compiler():
    """Reset torch.compile: it compiles at most eight variants of a function, including those of earlier tests."""
    torch.compiler.reset()
