"""The study on photographs from five datasets, shortened: one model trained on real files in five formats."""

import re
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def study(root, photographs, run, tmp_path):
    """A function that runs the study's script for a number of epochs and returns its output."""

    def run_study(epochs, fails):
        return run(
            sys.executable,
            root / 'projects/multi_dataset/memorise.py',
            '--data',
            photographs,
            '--out',
            tmp_path / 'run',
            '--epochs',
            epochs,
            timeout=1800,
            fails=fails,
        )

    return run_study


def test_one_epoch_on_five_datasets(study):
    """All five datasets are trained and tested; one epoch is too few to reach the bounds, and the script says so."""
    output = study(1, fails=True)
    assert 'Samples of epoch 1: coco 96, aic 72, mpii 50, ap10k 24, coco_wholebody 192' in output
    losses = [float(loss) for loss in re.findall(r' loss: ([\d.]+)', output)]
    assert losses[-1] < losses[0]
    table = output[output.index('five datasets') :]
    scores = dict(re.findall(r'(\S+/\w+) +\S (-?[\d.]+)', table))
    assert set(scores) == {'coco/AP', 'aic/AP', 'mpii/PCK', 'ap10k/AP', 'coco-wholebody/AP'}
    assert 'a score is below its bound' in output
