"""Two datasets in one model: sample counts, exact resume, testing both together or one alone, two processes."""

import re
from collections import Counter

import pytest
import torch
from mmengine import Config
from mmengine.fileio import load
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.integration.checkpoints import check_same

pytestmark = pytest.mark.slow

ATHLETES = 8
ALONE = """
_base_ = './config.py'

member = _base_.test_dataloader.dataset.datasets[1]
test_dataloader = dict(dataset=dict(_delete_=True, **member))
test_evaluator = dict(_delete_=True, **_base_.val_evaluator.metrics[1])
"""


def test_resumed_run_gives_the_same_weights(write_two, run, continue_from, tmp_path):
    train, whole, killed = ('train', write_two(), '--work-dir'), tmp_path / 'whole', tmp_path / 'killed'
    output = run(*train, whole)
    assert all(f'Samples of epoch {epoch}: coco 24, aic 8' in output for epoch in (1, 2))
    (events,) = whole.glob('*/vis_data/events.out.tfevents*')
    board = EventAccumulator(str(events))
    board.Reload()
    assert [event.value for event in board.Scalars('samples/aic')] == [8, 8]

    continue_from(whole / 'epoch_1.pth', killed)
    assert 'resumed epoch: 1' in run(*train, killed, '--resume')
    check_same(whole, killed, 'epoch_2.pth')


def test_all_datasets_in_one_test_run(write_two, run, root, tmp_path):
    """Each dataset gets the same score as when tested alone; images, bad cases and all predictions are written."""
    runtime = Config.fromfile(root / 'configs/_base_/runtime/multi_dataset.py')
    hooks = {f'default_hooks__{hook}': runtime.default_hooks[hook] for hook in ('visualization', 'badcase')}
    config = write_two(visualizer=runtime.visualizer, **hooks)
    init_default_scope('mmpose')
    torch.save(MODELS.build(Config.fromfile(config).model).state_dict(), tmp_path / 'random.pth')
    (tmp_path / 'alone.py').write_text(ALONE)
    extra = ('--show-dir', 'drawn', '--badcase', '--dump', tmp_path / 'all.pkl')
    options = ('--checkpoint', tmp_path / 'random.pth', '--work-dir', tmp_path / 'test')
    outputs = run('test', config, *options, *extra), run('test', tmp_path / 'alone.py', *options)
    scores = [dict(re.findall(r'(\w+/AP): (-?[\d.]+)', output)) for output in outputs]
    assert set(scores[0]) == {'coco/AP', 'aic/AP'}
    assert scores[1] == {'aic/AP': scores[0]['aic/AP']}
    assert Counter(sample['dataset_name'] for sample in load(tmp_path / 'all.pkl')) == {'coco': 24, 'aic': ATHLETES}
    for folder in ('drawn', 'badcase'):
        assert len(list((tmp_path / 'test').rglob(f'{folder}/*.jpg'))) == 24 + ATHLETES


def test_two_processes_when_one_has_no_sample_of_a_dataset(write_two, compare_one_and_two_processes):
    """They do not deadlock in synchronized batch norm, and the weights are those of one process with the whole batch.

    The data are 9 people and then 7 athletes, not shuffled. The first batch of eight has no athlete; in the second
    batch the first process gets one person, the second process none.
    """
    loading = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
    crop = dict(type='TopdownAffine', input_size=(48, 64))
    experts = dict(names=['coco', 'aic'], expert_dim=16)

    def config(batch_size, out, **changes):
        path = write_two(out, model__type='MultiDatasetPoseEstimator', model__backbone__experts=experts, **changes)
        cfg = Config.fromfile(path)
        cfg.train_dataloader.batch_size = batch_size
        cfg.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=False)
        for member, number in zip(cfg.train_dataloader.dataset.datasets, (9, 7), strict=True):
            member.update(indices=number, pipeline=[*loading, crop, *member.pipeline[-2:]])
        cfg.dump(path)
        return path

    checkpoints, output = compare_one_and_two_processes(config, sync_bn=True)
    assert 'Samples of epoch 1: coco 9, aic 7' in output, 'the counts must include both processes'
    assert [checkpoint['meta']['iter'] for checkpoint in checkpoints] == [2, 2]
