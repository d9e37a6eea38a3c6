import torch

from tests.unit.predict.tiny_models import several, single, write
from vitpose.bench.bench_setup import make_setup, random_model
from vitpose.predict.models.torch_model import PoseModel


def equal(weights, expected):
    return weights.keys() == expected.keys() and all(torch.equal(weights[key], expected[key]) for key in expected)


def test_weights_are_the_checkpoints_and_there_is_no_flip_test(tmp_path):
    config, checkpoint = write(single(flip_test=True), tmp_path)
    setup = make_setup(config, checkpoint, tmp_path, 'cpu', 3)
    assert setup.config.model.test_cfg.flip_test is False and setup.batch_size == 3
    assert equal(setup.weights(), torch.load(checkpoint)['state_dict'])
    assert setup.model().training is False


def test_random_weights_are_always_the_same_and_give_different_peaks(tmp_path):
    cfg = single()
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='https://example.org/missing.pth')
    assert equal(*(make_setup(cfg, None, tmp_path, 'cpu').weights() for _ in range(2)))
    assert 0.1 < random_model(cfg).eval()(torch.randn(1, 3, 128, 96), None, mode='tensor').std() < 10


def test_one_dataset_of_a_multi_dataset_model(multi_model_files, tmp_path):
    setup = make_setup(*multi_model_files, tmp_path, 'cpu', dataset='mpii')
    expected = PoseModel(*multi_model_files, 'cpu', dataset='mpii').model.state_dict()
    assert equal(setup.weights(), expected) and setup.config.model.head.out_channels == 16
    assert make_setup(several(), None, tmp_path, 'cpu', dataset='mpii').weights().keys() == expected.keys()
