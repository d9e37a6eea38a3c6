"""The six-set twin on rendered data: `mim train` and `mim test`, each set with its own score."""

import re
from pathlib import Path

SCORES = {'coco/AP', 'aic/AP', 'mpii/PCK', 'ap10k/AP', 'apt36k/AP', 'coco-wholebody/AP'}


def test_six_sets_train_and_are_tested(root, run, mim, tmp_path):
    for kind in ('coco', 'aic', 'mpii', 'ap10k', 'wholebody'):
        run(Path(mim).with_name('vitpose'), 'synth', '--kind', kind, '--train', 8, '--val', 4)
    config = root / 'configs/multi_dataset/vitpose-plus-mini_six-sets_synthetic-128x96.py'
    output = run(mim, 'train', 'mmpose', config, '--gpus', 0, '--work-dir', tmp_path / 'run')
    (counts,) = re.findall(r'Samples of epoch 1: (.*)', output)
    assert re.fullmatch(', '.join(f'{name} [1-9]\\d*' for name in (
        'coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')), counts)
    tested = run(mim, 'test', 'mmpose', config, '--checkpoint', tmp_path / 'run/epoch_1.pth', '--gpus', 0,
                 '--work-dir', tmp_path / 'test')
    assert SCORES <= set(re.findall(r'(?<!\S)([\w-]+/(?:AP|PCK)): ', tested))
