"""Compiled networks: no graph after the first epoch, the same losses, and no wait for the device."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import EpochBasedTrainLoop
from mmengine.structures import InstanceData
from mmengine.utils import digit_version
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch._dynamo.utils import counters
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from tests.unit.estimators import distillation
from vitpose_mm.hooks.compile_network import CompileHook, compile_network

CODEC, CLASSIC = (dict(distillation.CODEC, type=f'Batch{kind}Heatmap') for kind in ('UDP', 'MSRA'))
NAMES = ('coco', 'aic')
recent = pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.2'), reason='needs torch 2.2 or newer')


def estimator(**backbone):
    model = distillation.estimator(16, 5, CODEC)
    model['backbone'].update(dict(drop_path_rate=0.0) | backbone)
    return model


HEAD = estimator()['head']
WINDOWS = dict(stride=8, attention=dict(window_size=(4, 3), shift=True, pool=True, rel_pos='decomposed'))
TEACHER = dict(config='teacher.py', checkpoint='teacher.pth')
MODELS_TESTED = {
    'activation checkpointing': estimator(with_cp=True, drop_path_rate=0.3),
    'knowledge token': estimator(knowledge_token=dict(count=2)),
    'windows': dict(estimator(**WINDOWS), head=dict(HEAD, feature_stride=8)),
    'distillation': dict(estimator(drop_path_rate=0.3), type='DistillPoseEstimator', teacher=TEACHER),
    'experts': dict(
        estimator(experts=dict(names=NAMES, expert_dim=4)),
        type='MultiDatasetPoseEstimator',
        head=dict(type='MultiDatasetHead', heads=dict(coco=HEAD, aic=dict(HEAD, decoder=CLASSIC))),
    ),
}


def build(name):
    torch.manual_seed(0)
    init_default_scope('mmpose')
    model = MODELS.build(ConfigDict(MODELS_TESTED[name])).train()
    if name == 'distillation':
        model.teacher.model = MODELS.build(ConfigDict(estimator())).eval().requires_grad_(False)
    return model


def batch(count, seed):
    """Samples of both datasets in varying shares; the last batch has one dataset alone."""
    random, samples = np.random.default_rng(seed), []
    for i in range(count):
        dataset = NAMES[random.integers(2)] if seed % 3 else NAMES[seed % 2]
        sample = PoseDataSample(metainfo=dict(img_path=f'{seed}-{i}.jpg', dataset_name=dataset, flip=bool(seed % 2)))
        target = np.ones((1, 5, 4), np.float32)
        target[..., :2] = random.uniform(0, 48, (1, 5, 2))
        sample.gt_instances = InstanceData(keypoint_target=target)
        samples.append(sample)
    images = [torch.from_numpy(random.integers(0, 255, (3, 64, 48), np.uint8)) for _ in range(count)]
    return dict(inputs=images, data_samples=samples)


def test_old_torch_is_refused(monkeypatch):
    monkeypatch.setattr(torch, '__version__', '2.1.2')
    with pytest.raises(ValueError, match='compile needs torch 2.2 or newer, and this is 2.1.2'):
        compile_network(build('windows'), True)


@pytest.mark.slow
@recent
@pytest.mark.parametrize('name', MODELS_TESTED)
def test_nothing_is_compiled_after_the_first_epoch(name):
    torch._dynamo.reset()
    model, plain = build(name), build(name)
    # the debugging backend 'eager' draws drop path's masks again when it recomputes
    backend = 'aot_eager' if model.backbone.with_cp else 'eager'
    assert 'backbone' in compile_network(model, dict(backend=backend))
    update = dict(optimizer=dict(type='FusedAdamW', lr=1e-4), accumulative_counts=2)
    pairs = [(network, build_optim_wrapper(network, update)) for network in (model, plain)]
    assert list(model.state_dict()) == list(plain.state_dict())
    graphs, step = [], 0
    for _ in range(3):
        for count in (4, 4, 3):
            losses = []
            for network, optimizer in pairs:
                for group in optimizer.param_groups:
                    group['lr'] = 1e-4 * (step + 1)
                torch.manual_seed(step)
                losses.append(network.train_step(batch(count, step), optimizer)['loss'].item())
            assert losses[0] == pytest.approx(losses[1], rel=1e-4)
            step += 1
        graphs.append(counters['stats']['unique_graphs'])
    assert graphs[0] > 0 and graphs[1] == graphs[2] == graphs[0], graphs


@pytest.mark.parametrize('name', MODELS_TESTED)
def test_forward_and_loss_do_not_wait_for_the_device(name):
    """Fake tensors have no values: reading one, as a wait for the device does, fails."""
    model = build(name)
    data = model.data_preprocessor(batch(4, 1), True)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        losses = model.loss(mode.from_tensor(data['inputs']), data['data_samples'])
        total, _ = model.parse_losses(losses)
        assert isinstance(total, torch._subclasses.FakeTensor)
        with pytest.raises(DataDependentOutputException):
            total.item()
        total.backward()


@pytest.mark.gpu
@pytest.mark.parametrize('name', MODELS_TESTED)
def test_forward_and_loss_do_not_wait_for_a_gpu(name):
    model = build(name).cuda()
    data = model.data_preprocessor(batch(4, 1), True)
    model.loss(**data)  # constants are copied once
    torch.cuda.set_sync_debug_mode('error')
    try:
        total, _ = model.parse_losses(model.loss(**data))
        total.backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')


@recent
def test_the_hook_replaces_mmengines_compilation():
    model, loop = build('knowledge token'), EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
    runner = SimpleNamespace(cfg=ConfigDict(compile=dict(backend='eager')), model=model, _train_loop=loop)
    CompileHook().before_run(runner)
    assert runner.cfg.compile is False and model.backbone._compiled_call_impl is not None
    assert model.head._compiled_call_impl is not None
    untouched = build('knowledge token')
    CompileHook().before_run(SimpleNamespace(cfg=ConfigDict(), model=untouched, _train_loop=loop))
    assert untouched.backbone._compiled_call_impl is None


def test_nothing_is_compiled_in_a_test():
    """Its runner has the config of a training loop."""
    model, loop = build('knowledge token'), ConfigDict(by_epoch=True, max_epochs=1)
    runner = SimpleNamespace(cfg=ConfigDict(compile=dict(backend='eager')), model=model, _train_loop=loop)
    CompileHook().before_run(runner)
    assert model.backbone._compiled_call_impl is None
