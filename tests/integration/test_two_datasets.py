"""Two datasets in one model: sample counts, exact resume, testing both together or one alone, two processes."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.fileio import load
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parent / 'configs' / 'two_datasets.py'
ATHLETES = 8
ALONE = """
_base_ = './config.py'

member = _base_.test_dataloader.dataset.datasets[1]
test_dataloader = dict(dataset=dict(_delete_=True, **member))
test_evaluator = dict(_delete_=True, **_base_.val_evaluator.metrics[1])
"""


@pytest.fixture(scope='session')
def two_datasets(tiny_coco, tmp_path_factory) -> Path:
    """The tiny data plus ``athletes.json``: the last eight people with AIC's 14 keypoints."""
    folder = shutil.copytree(tiny_coco, tmp_path_factory.mktemp('two') / 'data')
    content = json.loads((folder / 'people.json').read_text())
    content['annotations'] = [
        dict(person, keypoints=person['keypoints'][: 14 * 3], num_keypoints=14)
        for person in content['annotations'][-ATHLETES:]
    ]
    (folder / 'athletes.json').write_text(json.dumps(content))
    return folder


@pytest.fixture
def write(two_datasets, tmp_path):
    """A function that writes the config with the paths of the data and other changes (``__`` stands for a dot)."""

    def write_config(name='config', **changes) -> Path:
        cfg = Config.fromfile(CONFIG)
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            for member in loader.dataset.datasets:
                member.data_root = str(two_datasets)
        cfg.merge_from_dict({key.replace('__', '.'): value for key, value in changes.items()})
        cfg.dump(tmp_path / f'{name}.py')
        return tmp_path / f'{name}.py'

    return write_config


def state(folder, epoch):
    return torch.load(folder / f'epoch_{epoch}.pth', map_location='cpu', weights_only=False)


def test_resumed_run_gives_the_same_weights(write, run, continue_from, tmp_path):
    """After ``--resume`` from epoch 1 the weights are those of an uninterrupted run, bit for bit."""
    train = ('train', write(), '--work-dir')
    output = run(*train, tmp_path / 'whole')
    for epoch in (1, 2):
        assert f'Samples of epoch {epoch}: coco 24, aic 8' in output
    (events,) = (tmp_path / 'whole').glob('*/vis_data/events.out.tfevents*')
    board = EventAccumulator(str(events))
    board.Reload()
    assert [event.value for event in board.Scalars('samples/aic')] == [8, 8]

    killed = tmp_path / 'killed'
    continue_from(tmp_path / 'whole/epoch_1.pth', killed)
    assert 'resumed epoch: 1' in run(*train, killed, '--resume')
    one, two = (state(folder, 2)['state_dict'] for folder in (tmp_path / 'whole', killed))
    assert one.keys() == two.keys()
    assert {name for name in one if not torch.equal(one[name], two[name])} == set()


def test_all_datasets_in_one_test_run(write, run, root, tmp_path):
    """Each dataset gets the same score as when tested alone; images, bad cases and all predictions are written."""
    runtime = Config.fromfile(root / 'configs/_base_/runtime/multi_dataset.py')
    config = write(
        visualizer=runtime.visualizer,
        **{f'default_hooks__{hook}': runtime.default_hooks[hook] for hook in ('visualization', 'badcase')},
    )
    init_default_scope('mmpose')
    torch.save(MODELS.build(Config.fromfile(config).model).state_dict(), tmp_path / 'random.pth')
    (tmp_path / 'alone.py').write_text(ALONE)
    extra = ('--show-dir', 'drawn', '--badcase', '--dump', tmp_path / 'all.pkl')
    scores = [
        dict(
            re.findall(
                r'(\w+/AP): (-?[\d.]+)',
                run('test', path, '--checkpoint', tmp_path / 'random.pth', '--work-dir', tmp_path / 'test', *more),
            )
        )
        for path, more in ((config, extra), (tmp_path / 'alone.py', ()))
    ]
    assert set(scores[0]) == {'coco/AP', 'aic/AP'}
    assert scores[1] == {'aic/AP': scores[0]['aic/AP']}
    people = Counter(sample['dataset_name'] for sample in load(tmp_path / 'all.pkl'))
    assert people == {'coco': 24, 'aic': ATHLETES}
    for folder in ('drawn', 'badcase'):
        assert len(list((tmp_path / 'test').rglob(f'{folder}/*.jpg'))) == 24 + ATHLETES


def test_mismatch_is_an_error_before_the_first_iteration(write, tmp_path):
    """One example of each kind; the unit tests cover the others."""
    for changes, message in (  # MMEngine names a run by the second in which it starts
        (dict(model__head__heads__aic__out_channels=15), "'aic' with 14: set model.head.heads.aic.out_channels=14"),
        (dict(train_dataloader__sampler__source_ratio=[9, 1, 1]), 'has 3 numbers for 2 datasets'),
    ):
        cfg = Config.fromfile(write(**changes))
        cfg.work_dir, cfg.experiment_name = str(tmp_path / 'run'), message
        with pytest.raises(ValueError, match=message):
            Runner.from_cfg(cfg).train()
        (log,) = (tmp_path / 'run').rglob('*.log')
        assert 'Epoch(train)' not in log.read_text()
        shutil.rmtree(tmp_path / 'run')


def test_two_processes_when_one_has_no_sample_of_a_dataset(write, compare_one_and_two_processes):
    """They do not deadlock in synchronized batch norm, and the weights are those of one process with the whole batch.

    The data are 9 people and then 7 athletes, not shuffled. The first batch of eight has no athlete; in the second
    batch the first process gets one person, the second process none.
    """
    loading = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
    crop = dict(type='TopdownAffine', input_size=(48, 64))
    changes = dict(
        model__type='MultiDatasetPoseEstimator', model__backbone__experts=dict(names=['coco', 'aic'], expert_dim=16)
    )

    def config(batch_size, **more):
        path = write(f'batch{batch_size}', **changes, **more)
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
