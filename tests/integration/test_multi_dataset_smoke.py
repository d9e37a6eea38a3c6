"""The smoke-test config of six datasets on rendered data: `mim train`, `mim test`, and one score per dataset."""

import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCORES = {'coco/AP', 'aic/AP', 'mpii/PCK', 'ap10k/AP', 'apt36k/AP', 'coco-wholebody/AP'}


def test_six_datasets_train_and_test(root, run, tmp_path):
    page = (root / 'configs/README.md').read_text(encoding='utf-8')
    commands = re.search(r'(vitpose synth --out data/synthetic_few .*\n)(for kind in .*; done)', page).group()
    vitpose = Path(sys.executable).with_name('vitpose')
    few = re.sub('--train 400 --val 50', '--train 8 --val 4', commands).replace('vitpose synth', f'{vitpose} synth')
    run('bash', '-ec', few)
    config = root / 'configs/multi_dataset/vitpose-plus-mini_six-sets_synthetic-128x96.py'
    output = run('train', config, '--work-dir', tmp_path / 'run')
    (counts,) = re.findall(r'Samples of epoch 1: (.*)', output)
    assert re.fullmatch(
        ', '.join(f'{name} [1-9]\\d*' for name in ('coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')), counts
    )
    tested = run('test', config, '--checkpoint', tmp_path / 'run/epoch_1.pth', '--work-dir', tmp_path / 'test')
    assert SCORES <= set(re.findall(r'(?<!\S)([\w-]+/(?:AP|PCK)): ', tested))
