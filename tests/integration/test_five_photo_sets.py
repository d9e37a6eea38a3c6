"""The study on photographs from five datasets, shortened: one model trained on real files in five formats."""

import re
import sys

import pytest

from projects.multi_dataset import memorise

pytestmark = pytest.mark.slow


def test_one_epoch_on_five_datasets(photographs, run, tmp_path, monkeypatch, capsys):
    """All five datasets are trained and tested; one epoch is too few to reach the bounds, and the script says so."""
    outputs = []

    def fork(action, config, work_dir, *options):
        outputs.append(run(action, config, '--work-dir', work_dir, *options))
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
    assert set(scores) == {'coco/AP', 'aic/AP', 'mpii/PCK', 'ap10k/AP', 'coco-wholebody/AP'}
