"""``kill -9`` or SIGTERM during an epoch, then ``--resume``: the final weights are those of an uninterrupted run."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
import torch

from tests.integration.commands import GLOO_TRAIN

pytestmark = pytest.mark.slow
NO_VALIDATION = dict(val_cfg=None, val_dataloader=None, val_evaluator=None)


def check_same(whole, resumed):
    """Weights and moments are equal, bit for bit."""
    checkpoints = [
        torch.load(folder / 'epoch_3.pth', map_location='cpu', weights_only=False) for folder in (whole, resumed)
    ]
    weights, resumed_weights = (checkpoint['state_dict'] for checkpoint in checkpoints)
    assert weights.keys() == resumed_weights.keys()
    difference = {
        name: (weight.double() - resumed_weights[name].double()).abs().max().item() for name, weight in weights.items()
    }
    assert max(difference.values()) == 0, difference
    moments, resumed_moments = (checkpoint['optimizer']['state'] for checkpoint in checkpoints)
    for index, state in moments.items():
        for name, value in state.items():
            assert torch.equal(value, resumed_moments[index][name]), (index, name)


def test_interrupted_runs_resume_to_the_same_weights(write_config, tiny_coco, run, run_until, start, tmp_path):
    """Shuffling, augmentation, drop path, batch norm, two workers and warm-up are all active."""
    config = write_config(
        tiny_coco, 'people.json', train_cfg__max_epochs=3, val_cfg=None, val_dataloader=None, val_evaluator=None
    )
    train = ('train', config, '--work-dir')
    run(*train, tmp_path / 'whole')

    killed = tmp_path / 'killed'
    run_until(*train, killed, pattern=r'Epoch\(train\) +\[2\]\[ 5/12\]')
    assert (killed / 'epoch_1.pth').is_file()
    assert not (killed / 'epoch_2.pth').exists(), 'the run was killed after the epoch, not during it'
    assert 'resumed epoch: 1' in run(*train, killed, '--resume')
    check_same(tmp_path / 'whole', killed)

    stopped = tmp_path / 'stopped'
    saved, _ = preempt(start(*train, stopped))
    assert f'{saved}' in run(*train, stopped, '--resume')
    check_same(tmp_path / 'whole', stopped)


def preempt(process):
    """Send SIGTERM to a training in its second epoch; return its checkpoint and output."""
    output = ''
    for line in process.output:
        output += line
        if re.search(r'Epoch\(train\) +\[2\]\[ 5/12\]', line):
            os.kill(process.pids[0], signal.SIGTERM)
    saved = Path(re.search(r'SIGTERM: saved (\S*/iter_\d+.pth) after iteration', output)[1])
    assert process.wait() == 75 and saved.is_file()
    assert saved.name != 'iter_24.pth', 'the run was stopped after the epoch, not during it'
    return saved.name, output


def test_a_second_run_in_a_folder_resumes_with_another_number_of_processes(
    write_config, tiny_coco, run, start, tmp_path
):
    """A finished run lies in the work_dir; the next one, with another learning rate, is preempted."""
    config = write_config(tiny_coco, 'people.json', train_cfg__max_epochs=3, **NO_VALIDATION)
    folder = tmp_path / 'run'
    command = ('train', config, '--work-dir', folder)
    run(*command)
    saved, output = preempt(start(*command, '--cfg-options', 'optim_wrapper.optimizer.lr=0.002'))
    warning = f'WARNING - {folder} holds checkpoints of an earlier run, which ends here: epoch_1.pth, epoch_2.pth'
    assert output.count(warning) == 1
    wrapper = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
    config = write_config(tiny_coco, 'people.json', train_cfg__max_epochs=3, model_wrapper_cfg=wrapper, **NO_VALIDATION)
    output = run('train', config, '--work-dir', folder, '--resume', gloo=2)
    assert f'Load checkpoint from {folder}/{saved}' in output and 'not resumed from: ' in output
    assert f'{folder}/epoch_3.pth is a checkpoint of another run' in output
    assert 'of epoch 2, which now has 6 batches: the epoch starts anew' in output
    content = torch.load(folder / 'epoch_3.pth', weights_only=False)
    assert content['meta']['epoch'] == 3 and content['optimizer']['param_groups'][0]['initial_lr'] < 0.0021
    output = run(*command, '--resume')
    assert 'WARNING - the run has reached max_epochs=3: there is nothing left to train' in output


def test_a_job_with_a_dead_rank_restarts_by_itself(write_config, tiny_coco, run, tmp_path, environment, monkeypatch):
    """Torchrun names the rank, and --max-restarts continues from the last checkpoint."""
    monkeypatch.setitem(environment, 'PYTHONPATH', f'{environment["PYTHONPATH"]}{os.pathsep}{tmp_path}')
    # a store per restart: with the old one, one of two restarts failed with 'connection refused'
    monkeypatch.setitem(environment, 'TORCH_DISABLE_SHARE_RDZV_TCP_STORE', '1')
    killer = tmp_path / 'killer.py'
    killer.write_text(KILLER)
    config = write_config(
        tiny_coco,
        'people.json',
        custom_imports__imports=['vitpose_mm', 'killer'],
        model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False),
        **NO_VALIDATION,
    )
    text = config.read_text()
    config.write_text(text + "\ncustom_hooks = [dict(type='Killer')]\n")
    torchrun = (sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2')
    train = (GLOO_TRAIN, config, '--launcher', 'pytorch', '--work-dir', tmp_path / 'run', '--resume')
    output = run(*torchrun, '--max-restarts=1', *train)
    assert re.search(r'failed \(exitcode: -9\) local_rank: 1 \(pid: \d+\)', output)
    assert 'resumed epoch: 1, iter: 6' in output
    assert (tmp_path / 'run' / 'epoch_2.pth').is_file()


KILLER = '''"""Kills rank 1 in the second epoch, once."""
import os
from mmengine.hooks import Hook
from mmpose.registry import HOOKS

@HOOKS.register_module()
class Killer(Hook):
    def after_train_iter(self, runner, **kwargs):
        if runner.rank == 1 and runner.iter == 8 and not os.path.exists('killed'):
            open('killed', 'w').close()
            os.kill(os.getpid(), 9)
'''
