"""Checkpoints under SIGKILL and full disks; tests/unit/checkpoints/test_run_checkpoints.py has damaged ones."""

import builtins
import errno
import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests.unit.checkpoints.tiny_vits import is_same
from tests.unit.hooks.test_preemption import PREEMPTION, Interrupt
from tests.unit.hooks.toy_training import build, in_children, log_of
from vitpose_base.files import PART
from vitpose_mm.checkpoints.run_checkpoints import find_resume_checkpoint
from vitpose_mm.checkpoints.safe_load import load_checkpoint
from vitpose_mm.hooks import CompleteCheckpointHook
from vitpose_mm.hooks.preemption import EXIT_CODE

BEST = dict(checkpoint=dict(save_best='score', rule='greater'))


def trained(folder, **options):
    runner = build(folder, **options)
    runner.train()
    return runner


def weights_of(path):
    return load_checkpoint(path).weights


class Killer:
    """Kills this process at the n-th call that changes a file of checkpoints, half way into a write."""

    def __init__(self, n=0):
        self.n, self.count, self.files = n, 0, set()
        for owner, name in (*((os, name) for name in ('open', 'fsync', 'replace', 'unlink')), (Path, 'write_bytes')):
            setattr(owner, name, self.counted(name, getattr(owner, name)))
        self.open, builtins.open = builtins.open, self.opened

    def step(self, damage=None):
        self.count += 1
        if self.count == self.n:
            if damage:
                damage()
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, name, function):
        def call(first, *args, **kwargs):
            if first in self.files or any(part in str(first) for part in ('.pth', 'last_checkpoint', 'run_id')):
                for share in (0, 0.25, 0.5, 0.75, 0.999) if name == 'write_bytes' else ():
                    self.step(partial(function, first, args[0][: int(len(args[0]) * share)]))
                if name != 'write_bytes':
                    self.step()
            result = function(first, *args, **kwargs)
            self.files |= {result} if name == 'open' else set()
            return result

        return call

    def opened(self, file, mode='r', *args, **kwargs):
        """MMEngine writes `last_checkpoint` in place: the file is empty, half written, or whole."""
        if str(file).endswith('last_checkpoint') and 'w' in mode:
            for damage in (None, *(partial(Path(file).write_text, text) for text in ('', str(file)[:-20]))):
                self.step(damage)
        return self.open(file, mode, *args, **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize('kills', [6, pytest.param(36, marks=pytest.mark.long)])
def test_sigkill_at_every_call_that_writes(tmp_path, kills):
    """Three epochs with a last and a best checkpoint each: after every kill, the run resumes to the same weights."""

    def whole():
        killer, saves = Killer(), []
        save = CompleteCheckpointHook._save_checkpoint_with_step

        def noted(hook, runner, step, meta):
            save(hook, runner, step, meta)
            saves.append((killer.count, meta['iter']))

        CompleteCheckpointHook._save_checkpoint_with_step = noted
        build(tmp_path / 'whole', **BEST).train()
        (tmp_path / 'saves.json').write_text(json.dumps([killer.count, saves]))

    assert in_children(whole) == 0
    calls, saves = json.loads((tmp_path / 'saves.json').read_text())
    assert calls > 2 * kills and [iteration for _, iteration in saves] == [4, 4, 8, 8, 12, 12]
    folder = tmp_path / 'killed'
    start, resume = build(folder, **BEST), build(folder, resume=True, **BEST)
    for n in range(1, calls + 1, calls // kills):
        assert in_children(lambda: (Killer(n), start.train())) == -signal.SIGKILL  # noqa: B023
        saved = max([iteration for count, iteration in saves if count < n], default=0)
        path, _ = find_resume_checkpoint(folder)
        assert (load_checkpoint(path).meta['iter'] if path else 0) >= saved
        assert in_children(resume.train) == 0
        assert is_same(weights_of(folder / 'epoch_3.pth'), weights_of(tmp_path / 'whole' / 'epoch_3.pth'))
        left = [path for path in folder.iterdir() if path.is_file()]
        assert not any(path.name.endswith(PART) for path in left)
        for path in left:
            path.unlink()


@pytest.mark.parametrize('best', [False, True])
def test_a_failed_save_ends_the_run_and_keeps_the_older_checkpoints(tmp_path, monkeypatch, best):
    """The second save, or that of the third best checkpoint, fills the disk; with room, the run resumes."""
    options = BEST if best else dict(val=False)
    build(tmp_path / 'whole', **options).train()
    write, folder = Path.write_bytes, tmp_path / 'full'

    def failing(path, data):
        full = path.name.startswith('best_score_epoch_3' if best else 'epoch_2')
        write(path, data[:100] if full else data)
        if full:
            raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(Path, 'write_bytes', failing)
        with pytest.raises(OSError, match=r'epoch_\d.pth was not saved: \[Errno 28\] No space left on device'):
            build(folder, **options).train()
    left = {path.name for path in folder.iterdir() if '.pth' in path.name}
    assert left == ({'epoch_3.pth', 'best_score_epoch_2.pth'} if best else {'epoch_1.pth'})
    build(folder, resume=True, **options).train()
    assert 'not resumed from' not in log_of(folder)
    assert is_same(weights_of(folder / 'epoch_3.pth'), weights_of(tmp_path / 'whole' / 'epoch_3.pth'))


OTHER = dict(wrapper=dict(optimizer=dict(type='AdamW', lr=0.3)), val=False)


def start_another(folder, iteration, **options):
    """A finished run, then another one in its folder that is preempted."""
    build(folder, val=False).train()
    hooks = [PREEMPTION, Interrupt(iteration, **options)]
    return in_children(lambda: build(folder, hooks=hooks, **OTHER).train())


def test_resume_continues_the_run_that_started_last(tmp_path):
    """A finished run lies in the folder; the next one, which does not resume, is preempted at iteration 6."""
    build(tmp_path / 'whole', **OTHER).train()
    folder = tmp_path / 'both'
    assert start_another(folder, 6) == EXIT_CODE
    (folder / 'last_checkpoint').unlink()  # the run is known without it
    assert trained(folder, resume=True, **OTHER)._load_from == str(folder / 'iter_6.pth')
    assert log_of(folder).count('holds checkpoints of an earlier run, which ends here: epoch_3.pth') == 1
    assert f'not resumed from: {folder}/epoch_3.pth is a checkpoint of another run' in log_of(folder)
    ours, theirs = (load_checkpoint(path / 'epoch_3.pth') for path in (folder, tmp_path / 'whole'))
    assert is_same(ours.weights, theirs.weights)
    assert ours.meta['iter'] == 12 and ours.meta['run_id'] == (folder / 'run_id').read_text() != theirs.meta['run_id']


def test_a_run_without_a_checkpoint_does_not_continue_an_older_one(tmp_path):
    """It is killed before its first save: resuming refuses, and names the older run's file."""
    assert start_another(tmp_path, 2, number=signal.SIGKILL) == -signal.SIGKILL
    with pytest.raises(ValueError, match='epoch_3.pth is a checkpoint of another run.*--resume FILE'):
        build(tmp_path, resume=True, **OTHER).train()
    build(tmp_path, epochs=4, resume=True, load_from=str(tmp_path / 'epoch_3.pth'), val=False).train()
    assert load_checkpoint(tmp_path / 'epoch_4.pth').meta['iter'] == 16


def test_without_a_checkpoint_the_run_starts_from_load_from(tmp_path):
    """MMPose's train.py sets `load_from` to None with --resume, so a run killed before its first save would lose it."""
    build(tmp_path / 'other', epochs=1, val=False).train()
    file = tmp_path / 'other/epoch_1.pth'
    (tmp_path / 'config.py').write_text(f'load_from = {str(file)!r}')
    config = Config.fromfile(tmp_path / 'config.py')
    config.load_from = None
    assert trained(tmp_path / 'run', resume=True, val=False, cfg=config)._load_from == str(file)
    assert 'has no checkpoint: the run starts from ' in log_of(tmp_path / 'run')
    assert load_checkpoint(tmp_path / 'run/epoch_3.pth').meta['iter'] == 12


def test_resuming_a_finished_run_says_so(tmp_path):
    build(tmp_path, val=False).train()
    before = (tmp_path / 'epoch_3.pth').read_bytes()
    build(tmp_path, resume=True, val=False).train()
    assert log_of(tmp_path).count('the run has reached max_epochs=3: there is nothing left to train') == 1
    assert (tmp_path / 'epoch_3.pth').read_bytes() == before


def test_the_run_keeps_its_id(tmp_path):
    """Over resumes, also by name, in every file; all processes agree; a file from before ids is its own run."""
    options = dict(checkpoint=dict(BEST['checkpoint'], max_keep_ckpts=-1))
    build(tmp_path, epochs=1, **options).train()
    build(tmp_path, epochs=2, resume=True, **options).train()
    build(tmp_path, epochs=3, resume=True, load_from=str(tmp_path / 'epoch_2.pth'), **options).train()
    files = sorted(tmp_path.glob('*.pth'))
    assert len(files) == 4 and len({load_checkpoint(path).meta['run_id'] for path in files}) == 1
    for path in files:
        content = torch.load(path, weights_only=False)
        del content['meta']['run_id']
        torch.save(content, path)
    (tmp_path / 'run_id').unlink()  # as an earlier version left the folder
    build(tmp_path, epochs=4, resume=True, **options).train()
    assert load_checkpoint(tmp_path / 'epoch_4.pth').meta['iter'] == 16
    (tmp_path / 'epoch_4.pth').write_bytes(b'')
    assert trained(tmp_path, epochs=4, resume=True, **options)._load_from == str(tmp_path / 'epoch_3.pth')
