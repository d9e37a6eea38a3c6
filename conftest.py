"""Settings shared by all tests: one thread per process, the test order, and the folder of real photographs."""

import gc
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

# One thread per process, including subprocesses: xdist runs one worker per core. torch reads these on import.
os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
# The tests are written for the CPU; `make gpu` names a GPU for those with the marker.
os.environ['CUDA_VISIBLE_DEVICES'] = os.environ.get('TEST_GPU', '')
# No test downloads or finds what earlier ones left.
os.environ.update(VITPOSE_HOME=os.path.join(tempfile.gettempdir(), 'no-vitpose-cache'), VITPOSE_OFFLINE='1')

import cv2
import pytest
import torch

ROOT = Path(__file__).resolve().parent
PHOTOGRAPHS, ON_TORCH_ALONE = ROOT.parent / 'shared' / 'data', ROOT / 'projects' / 'gpu'
# a machine with a GPU may have torch alone: then the tests of projects/gpu are collected
MISSING = [name for name in ('mmengine', 'mmpose') if find_spec(name) is None]

torch.set_num_threads(1)
cv2.setNumThreads(0)
with suppress(ImportError):
    import hypothesis

    # property tests try the same examples in each run; torch's first call may take longer than a deadline
    hypothesis.settings.register_profile('repeatable', derandomize=True, max_examples=30, deadline=None, database=None)
    hypothesis.settings.load_profile('repeatable')
if not MISSING:
    from mmengine.logging import MMLogger
    from yapf.yapflib import yapf_api

    # yapf takes seconds to format a config that MMEngine writes, which no one reads
    yapf_api.FormatCode = lambda text, **options: (text, True)


def pytest_report_header() -> str | None:
    """Say which tests are left out."""
    return f'{", ".join(MISSING)} not installed: only the tests of projects/gpu are collected' if MISSING else None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what cannot be imported."""
    inside = ON_TORCH_ALONE in (collection_path, *collection_path.parents) or collection_path in ON_TORCH_ALONE.parents
    return True if MISSING and not inside else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long tests first, so that all workers finish at about the same time, and those that fork before all others.

    A forked process cannot train after the threads that torch.compile and activation checkpointing start for autograd.
    Those that need a GPU are skipped without one.
    """
    if not torch.cuda.is_available():
        for item in filter(lambda item: item.get_closest_marker('gpu'), items):
            item.add_marker(pytest.mark.skip(reason='needs a CUDA GPU: make gpu'))
    forks = {item: 'in_children' in vars(item.module) for item in items}
    items.sort(key=lambda item: (not forks[item], not any(map(item.get_closest_marker, ('install', 'slow')))))


@pytest.fixture(scope='module', autouse=True)
def small_garbage_collections() -> None:
    """Let garbage collection skip what was imported so far: MMEngine collects after each dataset that it reads."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def root() -> Path:
    """The root folder of the repository."""
    return ROOT


@pytest.fixture(scope='session')
def photographs() -> Path:
    """The folder of real photographs with annotations in five formats; without it, the test is skipped."""
    if not PHOTOGRAPHS.is_dir():
        pytest.skip(f'this test needs the real photographs in {PHOTOGRAPHS}')
    return PHOTOGRAPHS


@pytest.fixture
def logged(tmp_path) -> Callable[[], str]:
    """A function that returns everything logged since the start of the test."""
    file = tmp_path / 'test.log'
    MMLogger.get_instance(str(tmp_path), log_file=str(file))  # the newest instance becomes the current logger
    return file.read_text
