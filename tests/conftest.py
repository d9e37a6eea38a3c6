"""Shared settings of all tests: one thread per process, order of the tests, the folder of real photographs."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

# One thread per process, also in those that tests start: xdist uses the cores. torch reads these when it is imported.
os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')

import cv2
import pytest
import torch
from mmengine.dataset import base_dataset
from mmengine.logging import MMLogger

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = ROOT.parent / 'shared' / 'data'

torch.set_num_threads(1)
cv2.setNumThreads(0)
# MMEngine collects garbage after reading each dataset, which takes 0.3 s with everything that the tests import
base_dataset.gc = SimpleNamespace(collect=lambda: 0)


def pytest_configure(config: pytest.Config) -> None:
    """Hand tests to the workers of xdist one by one (pytest -n 2)."""
    config.option.maxschedchunk = 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long tests first, so that all workers finish at about the same time."""
    items.sort(key=lambda item: not any(map(item.get_closest_marker, ('install', 'slow'))))


@pytest.fixture(scope='session')
def root() -> Path:
    """The checkout's top folder."""
    return ROOT


@pytest.fixture(scope='session')
def photographs() -> Path:
    """Real photographs with annotations in five formats, where they exist beside the checkout."""
    if not PHOTOGRAPHS.is_dir():
        pytest.skip(f'no real photographs at {PHOTOGRAPHS}: this check needs them')
    return PHOTOGRAPHS


@pytest.fixture
def logged(tmp_path) -> Callable[[], str]:
    """A function that returns what was logged since the test began."""
    file = tmp_path / 'test.log'
    MMLogger.get_instance(str(tmp_path), log_file=str(file))  # the newest is the current one
    return file.read_text
