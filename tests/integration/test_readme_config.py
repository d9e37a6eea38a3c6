"""Python code of the pages: the config of docs/training.md, trained with MIM, and the README's prediction example."""

import math
import re
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from vitpose.cli.demo import CONFIG as DEMO_CONFIG


@pytest.mark.slow
def test_pasted_config_trains(root, tmp_path, tiny_coco, run):
    page = (root / 'docs/training.md').read_text('utf-8')
    (text,) = re.findall(r"```python\n(_base_ = 'mmpose::.*?)```", page, re.DOTALL)
    (tmp_path / 'pasted.py').write_text(text)
    options = ['model.backbone.init_cfg=None', 'val_dataloader.dataset.bbox_file=None']  # no weights to download
    options += ['train_dataloader.batch_size=12', 'train_cfg.max_epochs=1', 'default_hooks.logger.interval=1']
    options += [f'{part}_dataloader.dataset.data_prefix.img={tiny_coco}' for part in ('train', 'val')]
    places = ('train_dataloader.dataset', 'val_dataloader.dataset', 'val_evaluator')
    options += [f'{place}.ann_file={tiny_coco}/people.json' for place in places]
    output = run('train', 'pasted.py', '--work-dir', 'run', '--cfg-options', *options)
    losses = [float(value) for value in re.findall(r' loss: ([\d.]+|nan|inf)', output)]
    assert len(losses) == 2 and all(math.isfinite(loss) for loss in losses)
    assert 'coco/AP: ' in output


def test_pasted_prediction_code_runs(root, tmp_path, monkeypatch, capsys):
    (text,) = re.findall(r'```python\n(from vitpose import .*?)```', (root / 'README.md').read_text('utf-8'), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').symlink_to(root / 'configs')
    Path('demo/data/val').mkdir(parents=True)
    cv2.imwrite('demo/data/val/000000.jpg', torch.randint(0, 255, (240, 320, 3)).numpy())
    init_default_scope('mmpose')
    model = MODELS.build(Config.fromfile(DEMO_CONFIG).model)
    torch.save(dict(state_dict=model.state_dict()), 'demo/model.pth')
    exec(text, {})
    numbers = re.findall(r'-?\d+\.\d*', capsys.readouterr().out.partition('[[[')[2])
    assert len(numbers) == 17 * 2
