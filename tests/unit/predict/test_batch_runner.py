"""Batches of few sizes on a GPU, here a model that says so, and smaller ones where memory ends."""

from threading import Lock

import numpy as np
import pytest
import torch

from vitpose import PosePredictor
from vitpose.cli.predict import batch_size
from vitpose.predict.batch_runner import BatchRunner, filled_size
from vitpose.predict.models.crops import CropRule

OutOfMemoryError = getattr(torch, 'OutOfMemoryError', torch.cuda.OutOfMemoryError)


class Model:
    """Its scores are the gray levels; `fits` crops fit in memory."""

    crop_rule, num_keypoints, metainfo = CropRule((4, 6)), 1, {}

    def __init__(self, fits=10**9, device='cuda', compiled=False):
        self.fits, self.device, self.compiled, self.sizes = fits, device, compiled, []
        self.problem = OutOfMemoryError('CUDA out of memory')

    def predict(self, crops):
        self.sizes.append(len(crops))
        if len(crops) > self.fits:
            raise self.problem
        return np.zeros((len(crops), 1, 2)), crops[:, 0, 0, :1].astype(np.float32)


def run(runner, count):
    crops = np.zeros((1024, 6, 4, 3), np.uint8)
    crops[:count] = np.arange(count)[:, None, None, None]
    np.testing.assert_array_equal(runner(crops, count)[1][:, 0], np.arange(count))
    return runner.model.sizes


@pytest.mark.parametrize(('count', 'size'), [(1, 1), (2, 8), (8, 8), (9, 32), (33, 64), (65, 128), (130, 192)])
def test_sizes(count, size):
    assert filled_size(count) == size


@pytest.mark.parametrize(
    ('fits', 'sizes'), [(64, [64]), (20, [64, 32, 16, 16, 16, 16]), (1, [64, 32, 16, 8, 4, 2, *[1] * 60])]
)
def test_out_of_memory_halves_the_batch_from_then_on(fits, sizes, caplog):
    runner = BatchRunner(Model(fits), None, Lock())
    assert run(runner, 60) == sizes
    halved = [f'out of memory on cuda: reducing the batch size to {size} people' for size in (32, 16, 8, 4, 2, 1)]
    assert caplog.messages == halved[: sizes.index(sizes[-1])]
    run(runner, 60)
    assert len(caplog.messages) == sizes.index(sizes[-1]) and max(runner.model.sizes[len(sizes) :]) == sizes[-1]


def test_a_batch_is_complete_if_another_thread_halves_the_size_meanwhile():
    runner = BatchRunner(model := Model(), 8, Lock())
    predict, runner.size = model.predict, 8
    model.predict = lambda crops: setattr(runner, 'size', 4) or predict(crops)
    run(runner, 16)


def test_out_of_memory_in_onnx_runtime_halves_the_batch():
    runner = BatchRunner(Model(20), None, Lock())
    runner.model.problem = RuntimeError('AllocateRawInternal Failed to allocate memory for requested buffer of size 9')
    assert run(runner, 60)[:3] == [64, 32, 16]


def test_one_person_that_does_not_fit_is_an_error():
    with pytest.raises(OutOfMemoryError):
        run(BatchRunner(Model(0), 8, Lock()), 3)


def test_auto_is_the_largest_batch_that_fits():
    runner = BatchRunner(Model(300), batch_size('auto'), Lock())
    assert run(runner, 70) == [128] and runner.size == 1024
    runner.model.fits = 100
    assert run(runner, 70)[1:] == [128, 128, 128, 128, 64, 8] and runner.size == 64
    assert PosePredictor(Model(device='cpu'), None, batch_size='auto').batch_size == 16
    assert PosePredictor(Model(), None, batch_size='auto').batch_size == 1024
    with pytest.raises(ValueError, match="batch_size='all': expected an integer >= 1"):
        PosePredictor(Model(), None, batch_size='all')


def test_a_compiled_network_is_warmed_up_once_for_each_size(caplog):
    runner = BatchRunner(Model(compiled=True), 40, Lock())
    assert run(runner, 3) == [40, 32, 8, 1] * 2 + [8]
    assert caplog.messages == ['compiling the network for batches of [40, 32, 8, 1] people, which takes minutes']
    assert run(runner, 9)[9:] == [32]
    assert run(BatchRunner(Model(device='cpu', compiled=True), 40, Lock()), 3) == [3]
    assert BatchRunner(Model(compiled=True), 256, Lock()).size == 64
