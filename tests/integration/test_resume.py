"""`kill -9` or SIGTERM during an epoch, then `--resume`: the final weights are those of an uninterrupted run."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.integration.checkpoints import check_same, load
from tests.integration.commands import wait_for
from tests.integration.conftest import DISTRIBUTED, NO_VALIDATION

pytestmark = pytest.mark.slow
EPOCH_2 = r'Epoch\(train\) +\[2\]\[ 5/12\]'


def preempt(process):
    """Send SIGTERM to a training in its second epoch; return its checkpoint and output."""
    output = wait_for(process, EPOCH_2)
    os.kill(process.pids[0], signal.SIGTERM)
    output += process.output.read()
    saved = Path(re.search(r'SIGTERM: saved (\S*/iter_\d+.pth) after iteration', output)[1])
    assert process.wait() == 75 and saved.is_file()
    assert saved.name != 'iter_24.pth', 'the run was stopped after the epoch, not during it'
    return saved.name, output


@pytest.fixture
def write(write_config, tiny_coco):
    """A function that writes a config with shuffling, augmentation, drop path, batch norm, workers and warm-up."""
    return lambda **more: write_config(tiny_coco, 'people.json', train_cfg__max_epochs=3, **NO_VALIDATION, **more)


def test_interrupted_runs_resume_to_the_same_weights(write, run, run_until, start, tmp_path):
    train = ('train', write(), '--work-dir')
    whole, killed, stopped = (tmp_path / name for name in ('whole', 'killed', 'stopped'))
    run(*train, whole)
    run_until(*train, killed, pattern=EPOCH_2)
    assert (killed / 'epoch_1.pth').is_file()
    assert not (killed / 'epoch_2.pth').exists(), 'the run was killed after the epoch, not during it'
    assert 'resumed epoch: 1' in run(*train, killed, '--resume')
    check_same(whole, killed)

    saved, _ = preempt(start(*train, stopped))
    assert saved in run(*train, stopped, '--resume')
    check_same(whole, stopped)

    # a second run in that folder, with another learning rate, is preempted and then resumed by two processes
    saved, output = preempt(start(*train, whole, '--cfg-options', 'optim_wrapper.optimizer.lr=0.002'))
    warning = f'WARNING - {whole} holds checkpoints of an earlier run, which ends here: epoch_1.pth, epoch_2.pth'
    assert output.count(warning) == 1
    output = run('train', write(out='two.py', model_wrapper_cfg=DISTRIBUTED), '--work-dir', whole, '--resume', gloo=2)
    assert f'Load checkpoint from {whole}/{saved}' in output and 'not resumed from: ' in output
    assert f'{whole}/epoch_3.pth is a checkpoint of another run' in output
    assert 'of epoch 2, which now has 6 batches: the epoch starts anew' in output
    content = load(whole / 'epoch_3.pth')
    assert content['meta']['epoch'] == 3 and content['optimizer']['param_groups'][0]['initial_lr'] < 0.0021
    output = run(*train, whole, '--resume')
    assert 'WARNING - the run has reached max_epochs=3: there is nothing left to train' in output
