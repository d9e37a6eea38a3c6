import multiprocessing
import os

import pytest
from mmengine import ConfigDict

from vitpose_mm.cost import measure


def test_killed_measurement_is_an_error(monkeypatch):
    fork = multiprocessing.get_context('fork')  # a spawned process would import torch and MMPose first
    monkeypatch.setattr(multiprocessing, 'get_context', lambda _: fork)
    with pytest.raises(RuntimeError, match='train at a batch of 2 was killed.*smaller batch'):
        measure([ConfigDict(type=os._exit, status=9)], 'train', 2)
