"""What contestants are made from: config and weights."""

import pytest
import torch

from tests.unit.predict.tiny_models import several, single, write
from vitpose.bench.setup import make_setup, random_model
from vitpose.predict.models.torch_model import PoseModel


def test_weights_are_the_checkpoints_and_there_is_no_flip_test(tmp_path):
    cfg = single(flip_test=True)
    config, checkpoint = write(cfg, tmp_path)
    setup = make_setup(config, checkpoint, tmp_path, 'cpu', 3)
    assert setup.config.model.test_cfg.flip_test is False and setup.batch_size == 3
    expected = torch.load(checkpoint)['state_dict']
    assert setup.weights().keys() == expected.keys()
    assert all(torch.equal(setup.weights()[key], value) for key, value in expected.items())
    assert setup.model().training is False


def test_random_weights_are_always_the_same_and_give_different_peaks(tmp_path):
    cfg = single()
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='https://example.org/missing.pth')
    one, other = (make_setup(cfg, None, tmp_path, 'cpu').weights() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    heatmaps = random_model(cfg).eval()(torch.randn(1, 3, 128, 96), None, mode='tensor')
    assert 0.1 < heatmaps.std() < 10


def test_one_dataset_of_a_multi_dataset_model(tmp_path):
    config, checkpoint = write(several(), tmp_path)
    setup = make_setup(config, checkpoint, tmp_path, 'cpu', dataset='mpii')
    expected = PoseModel(config, checkpoint, 'cpu', dataset='mpii').model.state_dict()
    assert all(torch.equal(setup.weights()[key], value) for key, value in expected.items())
    assert setup.config.model.head.out_channels == 16
    assert make_setup(config, None, tmp_path, 'cpu', dataset='mpii').weights().keys() == expected.keys()
    with pytest.raises(ValueError, match='dataset=None: this model predicts one of aic, coco, mpii'):
        make_setup(config, checkpoint, tmp_path, 'cpu')


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match='--batch-size 0: expected at least 1'):
        make_setup('c.py', None, tmp_path, 'cpu', 0)
    cfg = single()
    cfg.model.head = dict(type='RegressionHead', in_channels=48, num_joints=17)
    cfg.model.neck = dict(type='GlobalAveragePooling')
    with pytest.raises(ValueError, match='TopdownPoseEstimator with RegressionHead; expected .* a heatmap head'):
        make_setup(cfg, None, tmp_path, 'cpu')
