"""Configs of smoke tests, trained and tested on rendered data with the documented commands."""

import math
import re

import pytest

from tests.integration.checkpoints import load
from vitpose.cli.main import main

pytestmark = pytest.mark.slow
DATASETS = ('coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')
SCORES = {'coco/AP', 'aic/AP', 'mpii/PCK', 'ap10k/AP', 'apt36k/AP', 'coco-wholebody/AP'}


def test_attention_layout(run, root, tmp_path, monkeypatch):
    page = (root / 'configs/attention/vitpose-mini-s8-full_synthetic-128x96.py').read_text()
    folder = re.search(r'vitpose synth --out (\S+)', page).group(1)
    monkeypatch.chdir(tmp_path)
    assert main(['synth', '--out', folder, '--train', '16', '--val', '4', '--workers', '0']) == 0
    config = root / 'configs/attention/vitpose-mini-s8-window-shift-pool_synthetic-128x96.py'
    options = ('train_dataloader.batch_size=4', 'default_hooks.logger.interval=1')
    output = run('train', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options)
    rates, losses = (re.findall(rf' {name}: ([\d.e+-]+|nan|inf)', output) for name in ('lr', 'loss'))
    assert len(losses) >= 8 and all(math.isfinite(float(loss)) for loss in losses)
    assert re.search(r'coco/AP: [\d.]+', output)
    # the config's own schedule: by the end of its only epoch the learning rate has decayed
    assert float(rates[-1]) < 0.1 * max(float(rate) for rate in rates)
    assert load(tmp_path / 'run/epoch_1.pth')['state_dict']['backbone.pos_embed'].shape == (1, 16 * 12, 192)


def test_six_datasets(root, run, tmp_path, monkeypatch):
    page = (root / 'configs/README.md').read_text(encoding='utf-8')
    one, kinds, rest = re.search(
        r'^vitpose (synth --out data/synthetic_few .*?) +#.*\nfor kind in (.*); do vitpose (synth .*); done',
        page,
        re.MULTILINE,
    ).groups()
    monkeypatch.chdir(tmp_path)
    for line in (one, *(rest.replace('$kind', kind) for kind in kinds.split())):
        assert '--train 400 --val 50' in line
        assert main(line.replace('--train 400 --val 50', '--train 8 --val 4 --workers 0').split()) == 0
    config = root / 'configs/multi_dataset/vitpose-plus-mini_six-sets_synthetic-128x96.py'
    output = run('train', config, '--work-dir', tmp_path / 'run')
    (counts,) = re.findall(r'Samples of epoch 1: (.*)', output)
    assert re.fullmatch(', '.join(f'{name} [1-9]\\d*' for name in DATASETS), counts)
    tested = run('test', config, '--checkpoint', tmp_path / 'run/epoch_1.pth', '--work-dir', tmp_path / 'test')
    assert SCORES <= set(re.findall(r'(?<!\S)([\w-]+/(?:AP|PCK)): ', tested))
