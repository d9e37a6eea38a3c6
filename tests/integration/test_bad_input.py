"""A run of a config or checkpoint that does not fit stops before the first iteration, with an error that says why."""

import shutil
from pathlib import Path

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


def test_runs_that_do_not_fit_are_refused(write_config, tiny_coco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    init_default_scope('mmpose')
    model = Config.fromfile(write_config(tiny_coco, 'people.json')).model
    model.backbone.arch.embed_dim = model.head.in_channels = 24
    torch.save({'state_dict': MODELS.build(model).state_dict()}, 'narrow.pth')
    (tmp_path / 'epoch_2.pth').touch()
    for number, (action, changes, error, message) in enumerate(CASES):
        hooks = [dict(type='RunCheckHook')]
        cfg = Config.fromfile(write_config(tiny_coco, 'people.json', custom_hooks=hooks, **changes))
        cfg.work_dir, cfg.experiment_name = 'run', str(number)  # MMEngine names a run by the second in which it starts
        with pytest.raises(error, match=message):
            getattr(Runner.from_cfg(cfg), action)()
        (log,) = Path('run').rglob('*.log')
        assert 'Epoch(' not in log.read_text()
        shutil.rmtree('run')
