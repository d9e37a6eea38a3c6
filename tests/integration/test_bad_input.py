"""A run of a config or checkpoint that does not fit stops before the first iteration, with an error that says why."""

import shutil

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS

WIDTH = (ValueError, 'the checkpoint has width 24, this model 48')
CASES = [  # the unit tests cover the others
    ('train', dict(model__head__out_channels=14), ValueError, "predicts 14 keypoints .* dataset 'coco' with 17: set"),
    ('train', dict(load_from='narrow.pth'), *WIDTH),
    ('test', dict(load_from='narrow.pth'), *WIDTH),
    ('train', dict(load_from='epoch_4.pth'), FileNotFoundError, 'epoch_4.pth: no such checkpoint.* has epoch_2.pth'),
]
SEVERAL = [
    (dict(model__head__heads__aic__out_channels=15), "'aic' with 14: set model.head.heads.aic.out_channels=14"),
    (dict(train_dataloader__sampler__source_ratio=[9, 1, 1]), 'has 3 numbers for 2 datasets'),
]


def check_fails(config, action, error, message, work_dir):
    cfg = Config.fromfile(config)
    cfg.work_dir, cfg.experiment_name = str(work_dir), message  # MMEngine names a run by the second in which it starts
    with pytest.raises(error, match=message):
        getattr(Runner.from_cfg(cfg), action)()
    (log,) = work_dir.rglob('*.log')
    assert 'Epoch(' not in log.read_text()
    shutil.rmtree(work_dir)


def test_one_dataset(write_config, tiny_coco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    init_default_scope('mmpose')
    model = Config.fromfile(write_config(tiny_coco, 'people.json')).model
    model.backbone.arch.embed_dim = model.head.in_channels = 24
    torch.save({'state_dict': MODELS.build(model).state_dict()}, 'narrow.pth')
    (tmp_path / 'epoch_2.pth').touch()
    for action, changes, error, message in CASES:
        config = write_config(tiny_coco, 'people.json', custom_hooks=[dict(type='RunCheckHook')], **changes)
        check_fails(config, action, error, message, tmp_path / 'run')


def test_two_datasets(write_two, tmp_path):
    for changes, message in SEVERAL:
        check_fails(write_two(**changes), 'train', ValueError, message, tmp_path / 'run')
