"""The progress line, what went wrong in a training, and the batch that fits."""

import runpy
import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from yapf.yapflib import yapf_api

import vitpose_mm.cost
from vitpose.errors import FailedError
from vitpose.runs import training
from vitpose.runs.training import ESTIMATE, find_batch, progress_line, train, train_command

STEP = 'Epoch(train)  [{}][ 2/4]  lr: 1e-3  eta: {}  time: 0.2  loss: {}  acc_pose: 0.2'


def test_command_of_one_and_of_several_processes(tmp_path):
    one, two = (train_command('c.py', tmp_path, count, ['--resume']) for count in (1, 2))
    rest = ['-m', 'vitpose.runs.mmpose_train', 'c.py', '--work-dir', str(tmp_path), '--launcher']
    assert one == [sys.executable, *rest, 'none', '--resume']
    launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    assert two == [sys.executable, *launcher, *rest, 'pytorch', '--resume']


@pytest.mark.parametrize(('rule', 'best'), [('greater', '0.700'), ('less', '0.200')])
def test_progress_has_epoch_loss_best_score_and_time_left(capsys, rule, best):
    with progress_line(3, 'PCK@0.1/PCK', rule) as show:
        show(f'12:00 INFO - {ESTIMATE}about 1:02 min per epoch')
        for epoch, score, loss in (1, 'nan', 'nan'), (1, 0.2, 'inf'), (2, 0.7, 9), (3, 0.5, 5.25):
            show(STEP.format(epoch, '1 day, 2:03:04', loss))
            show(f'Epoch(val) [{epoch}][1/1]    xPCK@0.1/PCK: 9.000  PCK@0.1/PCK: {score}  NME: 0.01')
    output = ' '.join(capsys.readouterr().out.split())
    assert output.startswith('about 1:02 min per epoch training')
    assert f'epoch 3/3 loss 5.25 best PCK@0.1/PCK {best} 1 day, 2:03:04 left' in output


@pytest.mark.parametrize(
    ('code', 'error', 'message'),
    [
        ('raise MemoryError("CUDA out of memory. Tried")', MemoryError, None),
        ('import os, signal; os.kill(os.getpid(), signal.SIGKILL)', MemoryError, None),
        ('raise KeyError("no such head")', FailedError, r"KeyError: 'no such head' The full output is in .*train.log"),
    ],
)
def test_failures(tmp_path, code, error, message):
    with pytest.raises(error, match=message):
        train([sys.executable, '-c', code], tmp_path / 'run', print)


def test_an_interrupt_names_the_newest_checkpoint(tmp_path, monkeypatch):
    def interrupt(command, log, on_line):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, 'run_logged', interrupt)
    with pytest.raises(KeyboardInterrupt, match='no checkpoint was saved yet'):
        train([], tmp_path, print)
    (tmp_path / 'epoch_1.pth').touch()
    with pytest.raises(KeyboardInterrupt, match=r'epoch_1.pth is kept: continue with the same options and --resume'):
        train([], tmp_path, print)


def test_batch_that_fits(monkeypatch):
    def measure(models, mode, batch, *options):
        assert (mode, options) == ('train', ('cpu', 'float32', 1))
        return [SimpleNamespace(peak_bytes=10_000 + 1_000 * batch)]

    monkeypatch.setattr(vitpose_mm.cost, 'measure', measure)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    config = ConfigDict(model={}, optim_wrapper=dict(dtype='float32'))
    monkeypatch.setattr(training, 'available_bytes', lambda: 40_500 / training.MEMORY_SHARE)
    assert (find_batch(config, 64), find_batch(config, 8)) == (30, 8)
    monkeypatch.setattr(training, 'available_bytes', lambda: 9_000)
    with pytest.raises(FailedError, match='not one sample fits into 0.0 GiB'):
        find_batch(config, 64)

    def fail(*args):
        raise AttributeError('no head')  # of a detector

    monkeypatch.setattr(vitpose_mm.cost, 'measure', fail)
    with pytest.raises(FailedError, match=r'measured \(AttributeError: no head\): pass --batch N of at most 64'):
        find_batch(config, 64)


def test_the_script_is_that_of_mmpose(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['train', '--help'])
    monkeypatch.setattr(yapf_api, 'FormatCode', yapf_api.FormatCode)
    with pytest.raises(SystemExit):
        runpy.run_module('vitpose.runs.mmpose_train', run_name='__main__')
    assert 'Train a pose model' in capsys.readouterr().out and yapf_api.FormatCode('a=1') == ('a=1', True)
