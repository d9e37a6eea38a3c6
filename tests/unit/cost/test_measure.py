"""Measuring time and memory in a process of its own."""

import os

import pytest
from mmengine import ConfigDict

from vitpose_mm.cost import measure


def test_a_measurement_that_is_killed_says_so():
    with pytest.raises(RuntimeError, match='train at a batch of 2 was killed.*smaller batch'):
        measure([ConfigDict(type=os._exit, status=9)], 'train', 2)
