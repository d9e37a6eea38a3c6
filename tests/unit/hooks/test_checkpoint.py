"""Checkpoints under SIGKILL, full disks and damage."""

import errno
import json
import os
import re
import signal

import pytest
import torch

from tests.unit.hooks.toy_training import build, in_children
from vitpose_mm.checkpoints import complete
from vitpose_mm.checkpoints.safe_load import load_checkpoint
from vitpose_mm.hooks import CompleteCheckpointHook

POINTS = 36
TEMPLATES = ('epoch_{}.pth', 'iter_{}.pth')


def log_of(folder):
    return ''.join(path.read_text() for path in folder.glob('*/*.log'))


class Killer:
    """Replaces the functions of `os` that write files; kills this process at the n-th call, half way into a write."""

    def __init__(self, n=0):
        self.n, self.count, self.files = n, 0, set()
        for name in ('open', 'write', 'fsync', 'replace', 'unlink'):
            setattr(os, name, self.counted(name, getattr(os, name)))

    def counted(self, name, function):
        def call(first, *args, **kwargs):
            if first in self.files or any(part in str(first) for part in ('.pth', 'last_checkpoint')):
                self.count += 1
                if self.count == self.n:
                    if name == 'write':
                        function(first, args[0][: len(args[0]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
            result = function(first, *args, **kwargs)
            self.files |= {result} if name == 'open' else set()
            return result

        return call


@pytest.mark.slow
def test_sigkill_at_every_call_that_writes(tmp_path, monkeypatch):
    """Three epochs with a last and a best checkpoint each: after every kill, the run resumes to the same weights."""
    monkeypatch.setattr(complete, 'CHUNK', 4000)
    options = dict(checkpoint=dict(save_best='score', rule='greater'))

    def whole():
        killer, saves = Killer(), []
        save = CompleteCheckpointHook._save_checkpoint_with_step

        def noted(hook, runner, step, meta):
            save(hook, runner, step, meta)
            saves.append((killer.count, meta['iter']))

        CompleteCheckpointHook._save_checkpoint_with_step = noted
        build(tmp_path / 'whole', **options).train()
        (tmp_path / 'saves.json').write_text(json.dumps([killer.count, saves]))

    assert in_children(whole) == 0
    calls, saves = json.loads((tmp_path / 'saves.json').read_text())
    assert calls > 100 and [iteration for _, iteration in saves] == [4, 4, 8, 8, 12, 12]
    expected = load_checkpoint(tmp_path / 'whole' / 'epoch_3.pth').weights
    folder = tmp_path / 'killed'
    start, resume = build(folder, **options), build(folder, resume=True, **options)
    for n in range(1, calls + 1, calls // POINTS):
        assert in_children(lambda: (Killer(n), start.train())) == -signal.SIGKILL  # noqa: B023
        saved = max([iteration for count, iteration in saves if count < n], default=0)
        found = complete.newest_complete([folder], TEMPLATES)
        assert not found.skipped and (load_checkpoint(found.path).meta['iter'] if found.path else 0) >= saved
        assert in_children(resume.train) == 0
        weights = load_checkpoint(folder / 'epoch_3.pth').weights
        assert all(torch.equal(weights[key], value) for key, value in expected.items())
        left = [path for path in folder.iterdir() if '.pth' in path.name or path.name == 'last_checkpoint']
        assert not any(path.name.endswith(complete.PART) for path in left)
        for path in left:
            path.unlink()


def test_full_disk_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    """The second of three saves fails: one warning, and the third replaces the first."""
    write, calls = complete._write, []

    def failing(path, data):
        calls.append(path.name)
        if path.name.startswith('epoch_2.pth'):
            path.write_bytes(data[:100])
            raise OSError(errno.ENOSPC, 'No space left on device')
        write(path, data)

    monkeypatch.setattr(complete, '_write', failing)
    build(tmp_path, val=False).train()
    assert log_of(tmp_path).count('epoch_2.pth was not saved: [Errno 28] No space left on device.') == 1
    assert sorted(path.name for path in tmp_path.iterdir() if '.pth' in path.name) == ['epoch_3.pth']
    runtime = torch.load(tmp_path / 'epoch_3.pth', weights_only=False)['message_hub']['runtime_info']
    assert runtime['keep_ckpt_ids'] == [3]


@pytest.mark.parametrize('best', [False, True])
def test_the_run_fails_if_the_last_checkpoint_is_not_written(tmp_path, monkeypatch, best):
    """A failed best checkpoint leaves the one before it, too."""
    write = complete._write

    def failing(path, data):
        if path.name.startswith('best_score_epoch_3' if best else 'epoch_3'):
            raise OSError(errno.EIO, 'Input/output error')
        write(path, data)

    monkeypatch.setattr(complete, '_write', failing)
    runner = build(tmp_path, checkpoint=dict(save_best='score', rule='greater'))
    last = tmp_path / f'epoch_{3 if best else 2}.pth'
    with pytest.raises(OSError, match=f'could not be written.*Input/output error.*last good checkpoint is {last}'):
        runner.train()
    left = {path.name for path in tmp_path.iterdir() if '.pth' in path.name}
    assert left == {last.name, 'best_score_epoch_2.pth'}
    runtime = torch.load(last, weights_only=False)['message_hub']['runtime_info']
    assert runtime['best_ckpt'].endswith('best_score_epoch_2.pth')


@pytest.mark.parametrize('damage', ['truncated', 'changed', 'empty'])
def test_a_damaged_checkpoint_is_skipped_and_named(tmp_path, damage):
    build(tmp_path, checkpoint=dict(max_keep_ckpts=2), val=False).train()
    path = tmp_path / 'epoch_3.pth'
    data = bytearray(path.read_bytes())
    place = data.index(torch.load(path, weights_only=False)['state_dict']['weight'].numpy().tobytes())
    data[place] ^= 1
    path.write_bytes({'truncated': data[:-300], 'changed': data, 'empty': b''}[damage])
    runner = build(tmp_path, resume=True, val=False)
    runner.train()
    assert runner._load_from == str(tmp_path / 'epoch_2.pth')
    problem = 'damaged: the checksum of .*data' if damage == 'changed' else 'incomplete'
    assert re.search(f'not resumed from: {path} is {problem}', log_of(tmp_path))
    (tmp_path / 'epoch_3.pth').write_bytes(data[:90])
    (tmp_path / 'epoch_2.pth').unlink(missing_ok=True)
    with pytest.raises(ValueError, match='none of the checkpoints .* is complete: .*epoch_3.pth is incomplete'):
        build(tmp_path, resume=True).train()


def test_a_file_that_does_not_read_back_is_not_renamed(tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    torch.save(torch.ones(9), path)
    old, write = path.read_bytes(), complete._write
    monkeypatch.setattr(complete, '_write', lambda file, data: write(file, data[:-1]))
    with pytest.raises(OSError, match='a.pth was not written: the file read back is incomplete'):
        complete.write_checkpoint(path, old)
    assert path.read_bytes() == old and os.listdir(tmp_path) == ['a.pth']


def test_the_newest_is_that_of_the_highest_iteration(tmp_path):
    """Not the file that was copied last, and not the best checkpoint, which has no optimiser state."""
    for name, iteration in (('epoch_10', 40), ('iter_37', 37), ('epoch_9', 36), ('best_score_epoch_11', 44)):
        torch.save(dict(state_dict={'x': torch.ones(1)}, meta=dict(iter=iteration)), tmp_path / f'{name}.pth')
    assert complete.newest_complete([tmp_path], TEMPLATES) == (tmp_path / 'epoch_10.pth', [])
