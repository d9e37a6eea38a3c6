"""A lost process or data worker: the others stop in a bounded time, say who is lost, and the run resumes."""

import os
import re
import signal
import threading
import time

import pytest
import torch
from mmengine.hooks import Hook

from tests.unit.hooks.toy_training import build, in_children
from vitpose_mm.hooks import FailureReportHook
from vitpose_mm.hooks.failure_report import LOST


class Fall(Hook):
    """Sends a signal to this process or, if there are any, to a data worker, after an iteration."""

    def __init__(self, number, rank=0, iteration=5):
        self.number, self.rank, self.iteration = number, rank, iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration and runner.rank == self.rank:
            workers = [p.pid for p in torch.multiprocessing.active_children()]
            for pid in workers or [os.getpid()]:
                os.kill(pid, self.number)


def train(folder, fall=None, processes=2, timeout=60, **options):
    hooks = [FailureReportHook(timeout), *([fall] if fall else [])]
    start = time.monotonic()
    statuses = in_children(lambda: build(folder, hooks=hooks, val=False, **options).train(), processes, folder)
    return statuses, time.monotonic() - start


@pytest.mark.slow
def test_a_killed_rank_is_named_and_the_run_resumes(tmp_path, capfd):
    (status, killed), seconds = train(tmp_path, Fall(signal.SIGKILL, rank=1), loader=dict(batch_size=2))
    assert killed == -signal.SIGKILL and status == 1 and seconds < 60
    error = capfd.readouterr().err
    assert re.search(r'rank 1 \(.*, process \d+\) does not respond: it ended first', error)
    assert f'iteration 6.\nThe last checkpoint is {tmp_path}/epoch_1.pth: continue with --resume.' in error
    assert train(tmp_path, resume=True, loader=dict(batch_size=2))[0] == [0, 0]


@pytest.mark.slow
def test_a_rank_without_a_sign_of_life_ends_the_others(tmp_path, capfd):
    """Its machine is frozen: the connection stays, and the other process waits in the reduction of gradients."""

    def end_frozen():  # so that it can be waited for
        time.sleep(5)  # until there are children
        frozen = os.waitid(os.P_ALL, 0, os.WSTOPPED | os.WNOWAIT)
        time.sleep(20)  # the other one ends after 6 s
        os.kill(frozen.si_pid, signal.SIGKILL)

    threading.Thread(target=end_frozen, daemon=True).start()
    (status, frozen), _ = train(tmp_path, Fall(signal.SIGSTOP, rank=1), timeout=6, loader=dict(batch_size=2))
    assert (status, frozen) == (LOST, -signal.SIGKILL)
    assert re.search(r'rank 1 \(.*\) has not responded for 6 s; this process ends, too', capfd.readouterr().err)


def test_a_killed_data_worker_is_explained_and_the_run_resumes(tmp_path, capfd):
    status, _ = train(tmp_path, Fall(signal.SIGKILL), processes=1, workers=2, loader=dict(prefetch_factor=1))
    error = capfd.readouterr().err
    assert status == 1 and re.search('DataLoader worker .*killed by signal: Killed', error)
    assert 'A data worker was killed. The usual reason is that memory ran out' in error
    assert f'The last checkpoint is {tmp_path}/epoch_1.pth: continue with --resume.' in error
    assert train(tmp_path, resume=True, processes=1, workers=2)[0] == 0


@pytest.mark.parametrize('timeout', [0, 4, True, '9'])
def test_bad_options(timeout):
    with pytest.raises(ValueError, match='expected a number of seconds > 4'):
        FailureReportHook(timeout)
