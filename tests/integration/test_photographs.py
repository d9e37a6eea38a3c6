"""Trainings on real photographs: twelve people must be reproduced, and one model learns five annotation formats."""

import re
import sys

import pytest

from projects.multi_dataset import memorise

pytestmark = pytest.mark.slow


def test_memorises_twelve_people(write_config, photographs, run, tmp_path):
    config = write_config(photographs / 'coco', 'test_coco.json', name='memorise.py')
    output = run('train', config, '--work-dir', tmp_path / 'run', timeout=1800)  # allows for a busy machine
    (score,) = re.findall(r'coco/AP: ([\d.]+)', output)
    print(f'COCO AP {score}')
    assert float(score) >= 0.95


def test_one_epoch_on_five_datasets(photographs, run, tmp_path, monkeypatch, capsys):
    """All five datasets are trained and tested; one epoch is too few to reach the bounds, and the script says so."""
    outputs = []
    datasets = ('coco', 'aic', 'mpii', 'ap10k', 'coco_wholebody')
    small = ('model.backbone.arch.depth=1', *(f'model.head.heads.{name}.deconv_channels=16' for name in datasets))

    def fork(action, config, work_dir, *options):
        outputs.append(run(action, config, '--work-dir', work_dir, *options, '--cfg-options', *small))
        return outputs[-1]

    monkeypatch.setattr(memorise, 'mim', fork)
    arguments = ['--data', str(photographs), '--out', str(tmp_path / 'run'), '--epochs', '1']
    monkeypatch.setattr(sys, 'argv', ['memorise.py', *arguments])
    with pytest.raises(SystemExit, match='a score is below its bound'):
        memorise.main()
    assert 'Samples of epoch 1: coco 96, aic 72, mpii 50, ap10k 24, coco_wholebody 192' in outputs[0]
    losses = [float(loss) for loss in re.findall(r' loss: ([\d.]+)', outputs[0])]
    assert losses[-1] < losses[0]
    table = capsys.readouterr().out
    scores = dict(re.findall(r'(\S+/\w+) +\S (-?[\d.]+)', table[table.index('five datasets') :]))
    assert set(scores) == set(memorise.BOUNDS)
