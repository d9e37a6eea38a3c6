"""On a CUDA GPU: the same losses, gradients and keypoints as on the CPU; training, resuming and compiling."""

import re

import numpy as np
import pytest
import torch

from projects.studies.forked_training import train
from tests.integration.checkpoints import check_same
from tests.integration.conftest import NO_VALIDATION
from tests.unit.bench.fitted_model import people, write_fitted
from tests.unit.hooks.test_compile_network import MODELS_TESTED, batch, build
from vitpose import PosePredictor
from vitpose_mm.hooks.compile_network import compile_network

pytestmark = pytest.mark.gpu
PIXELS = {'fp32': 0.01, 'bf16': 0.5, 'fp16': 0.1}  # of the image; the CPU computes in fp32


@pytest.fixture(autouse=True)
def _exact(monkeypatch):
    """Convolutions in fp32, which cuDNN may compute in TF32."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)


def loss_and_gradients(model):
    total, _ = model.parse_losses(model.loss(**model.data_preprocessor(batch(4, 1), True)))
    total.backward()
    return total.item(), {name: value.grad.cpu() for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize('name', MODELS_TESTED)
def test_loss_and_gradients_are_those_of_the_cpu(name):
    expected, expected_gradients = loss_and_gradients(build(name).eval())  # eval: no drop path
    loss, gradients = loss_and_gradients(build(name).eval().cuda())
    assert loss == pytest.approx(expected, rel=1e-5)
    assert gradients.keys() == expected_gradients.keys() and len(gradients) > 20
    for parameter, gradient in gradients.items():
        difference = (gradient - expected_gradients[parameter]).norm()
        assert difference <= 1e-3 * expected_gradients[parameter].norm() + 1e-7, parameter


def test_a_compiled_network_has_the_same_loss():
    plain, compiled = build('knowledge token').cuda(), build('knowledge token').cuda()
    compile_network(compiled, {})
    assert loss_and_gradients(compiled)[0] == pytest.approx(loss_and_gradients(plain)[0], rel=1e-4)


@pytest.mark.parametrize('precision', PIXELS)
def test_predictions_are_those_of_the_cpu(precision, tmp_path):
    files = write_fitted(tmp_path)
    for image, boxes in zip(*people(), strict=True):
        expected = PosePredictor.load(*files, device='cpu')(image, boxes)
        poses = PosePredictor.load(*files, device='cuda', precision=precision)(image, boxes)
        difference = np.abs(poses.keypoints - expected.keypoints).max()
        print(f'{precision}: {difference:.5f} px')
        assert difference < PIXELS[precision]
        np.testing.assert_allclose(poses.scores, expected.scores, atol=0.02)


def test_an_interrupted_run_resumes_to_the_same_weights(write_config, tiny_coco, continue_from, tmp_path, monkeypatch):
    """The trainings are forked after MMPose is imported; with deterministic kernels they are the same bit for bit."""
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    deterministic = dict(randomness=dict(seed=0, deterministic=True))
    config = write_config(tiny_coco, 'people.json', train_cfg__max_epochs=3, **deterministic, **NO_VALIDATION)
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    whole.mkdir()
    train(config, whole)
    assert re.search(r'Epoch\(train\) .* memory: [1-9]', (whole / 'train.log').read_text()), 'trained on the CPU'
    continue_from(whole / 'epoch_1.pth', resumed)
    train(config, resumed)
    assert 'resumed epoch: 1' in (resumed / 'train.log').read_text()
    check_same(whole, resumed)
