"""On a CUDA GPU, with torch alone: crops and heatmaps are those of the CPU, in all precisions and compiled."""

import contextlib
from dataclasses import asdict

import numpy as np
import pytest
import torch

from projects.gpu.measure import SIZE, RandomModel
from vitpose import PosePredictor
from vitpose.predict.models.crops import CropRule
from vitpose.predict.models.device_crops import DeviceCropRule
from vitpose_mm.export.graph import DecodingGraph

pytestmark = pytest.mark.gpu
SHARE = {'fp32': 1e-4, 'fp16': 1e-2, 'bf16': 5e-2}  # of the largest value, by which heatmaps may differ


@pytest.fixture(autouse=True)
def _exact(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)


@pytest.fixture(scope='module')
def crops():
    return np.random.default_rng(0).integers(0, 256, (40, *SIZE[::-1], 3), np.uint8)


@pytest.fixture(scope='module')
def expected(crops):
    return RandomModel('toy', device='cpu').heatmaps(crops[:8])


@contextlib.contextmanager
def without_waiting():
    torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')


@pytest.mark.parametrize('compiled', [False, True])
@pytest.mark.parametrize('precision', SHARE)
def test_heatmaps_are_those_of_the_cpu(precision, compiled, crops, expected):
    model = RandomModel('toy', device='cuda', precision=precision, compile=compiled)
    for count in (8, 1, 8, 1, 8, 1):  # a CUDA graph is recorded in the second run, and replayed from the third
        heatmaps = model.heatmaps(crops[:count]).cpu()
        assert (heatmaps - expected[:count]).abs().max() < SHARE[precision] * expected.abs().max()


def test_crops_are_those_of_opencv_and_nothing_waits_for_them():
    rule = CropRule(SIZE, use_udp=True)
    ours = DeviceCropRule(**asdict(rule), device=torch.device('cuda'))
    random = np.random.default_rng(0)
    image, corners = random.integers(0, 256, (480, 640, 3), np.uint8), random.uniform(-100, 600, (12, 2))
    regions = rule.regions(np.c_[corners, corners + random.uniform(5, 300, (12, 2))].astype(np.float32))
    theirs, out = rule.empty(12), ours.empty(12)
    rule.crop(image, *regions, theirs)
    ours.crop(ours.source(image), *regions, out)()  # allocates
    with without_waiting():
        ours.crop(ours.source(image), *regions, out)()
    assert np.abs(theirs.astype(int) - out.cpu().numpy()).max() <= 1


def test_a_batch_waits_once_for_the_device(crops):
    model = RandomModel('toy', device='cuda', precision='bf16')
    inputs = torch.from_numpy(crops).cuda()
    model.predict(inputs, ['covariance'])  # constants are copied once
    with without_waiting():
        outputs = model.run(inputs)
        DecodingGraph(model.codec).judge(*outputs, peaks=model.peaks(outputs[0]))


def test_people_of_many_frames_are_those_of_the_cpu():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (240 + i, 320, 3), np.uint8) for i in range(20)]
    boxes = [np.array([(10, 20, 110, 220), (150, 5, 300, 230), (50, 50, 90, 99)], np.float32)] * 20
    cpu, gpu = (PosePredictor(RandomModel('toy', device=device), None, 8)(images, boxes) for device in ('cpu', 'cuda'))
    scores = [np.stack([poses.scores for poses in each]) for each in (cpu, gpu)]
    np.testing.assert_allclose(scores[1], scores[0], rtol=0.02, atol=1e-3)


def test_auto_chooses_precision_and_batch():
    model = RandomModel('toy', device='cuda', precision='auto')
    assert model.precision == ('bf16' if torch.cuda.get_device_capability() >= (8, 0) else 'fp16')
    assert PosePredictor(model, None, 'auto').batch_size == 1024
