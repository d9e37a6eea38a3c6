"""Save and exit when the scheduler preempts the job."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from traceback import walk_stack
from typing import Any

import torch
from mmengine.dist import barrier, get_world_size
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmpose.registry import HOOKS
from torch import distributed

from .complete_checkpoint import CompleteCheckpointHook

EXIT_CODE = 75  # sysexits.h: a temporary failure, try again
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


@HOOKS.register_module()
class PreemptionHook(Hook):
    """On SIGTERM or SIGUSR1, save a checkpoint after the current step and exit with code 75.

    All processes of a distributed run stop after the same step, even if only one of them receives the signal; with
    gradient accumulation, after the current update. A single process also stops during validation, which is not
    repeated. Data workers ignore signals from other processes. A second signal, or one after an error in training, has
    its usual effect. A process that waits in compiled code runs no handlers, so only SIGKILL ends it.

    `--resume` continues the run, within the epoch with an `EpochSeedHook`. ValueError without `CompleteCheckpointHook`.
    """

    priority = 'LOWEST'  # after the schedulers and after a regular checkpoint
    _signal = 0
    _group: Any = None

    def before_run(self, runner: Runner) -> None:
        """Shield the data workers, which also receive the signals of a whole job."""
        for loop in (runner._train_loop, runner._val_loop):
            if isinstance(loop, BaseLoop):
                loop.dataloader.worker_init_fn = partial(init_worker_signals, init_fn=loop.dataloader.worker_init_fn)

    def before_train(self, runner: Runner) -> None:
        """Handle the signals."""
        if not any(isinstance(hook, CompleteCheckpointHook) for hook in runner.hooks):
            raise ValueError("PreemptionHook needs default_hooks.checkpoint=dict(type='CompleteCheckpointHook', ...)")
        if get_world_size() > 1:
            self._group = distributed.new_group(backend='gloo')  # a flag in CPU memory does not wait for the GPU
        self._loop, self._process = runner.train_loop, os.getpid()
        able = threading.current_thread() is threading.main_thread()
        self._previous = {number: signal.signal(number, self._handle_signal) for number in SIGNALS if able}

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Exit if a process received a signal and no gradient is waiting for its update."""
        if getattr(runner.optim_wrapper, 'should_update', lambda: True)():
            self._exit_if_preempted(runner, runner.iter + 1)

    def after_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Exit during validation, unless processes may have different numbers of batches or the weights are EMA's."""
        if self._group is None and not any(isinstance(hook, EMAHook) for hook in runner.hooks):
            self._exit_if_preempted(runner, runner.iter)

    def after_train(self, runner: Any = None) -> None:
        """Restore the previous signal handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def _handle_signal(self, number: int, frame: Any) -> None:
        """Store a signal that arrives in the training loop of this process; send any other signal again."""
        self.after_train()
        training = any(caller.f_locals.get('self') is self._loop for caller, _ in walk_stack(frame))
        if training and os.getpid() == self._process:
            self._signal = number
        else:
            os.kill(os.getpid(), number)

    def _exit_if_preempted(self, runner: Runner, iteration: int) -> None:
        number = self._signal  # a signal that arrives while waiting for other processes counts after the next step
        if self._group is not None:
            flag = torch.tensor([number])
            distributed.all_reduce(flag, distributed.ReduceOp.MAX, group=self._group)
            number = int(flag)
        if number:
            hook = next(hook for hook in runner.hooks if isinstance(hook, CompleteCheckpointHook))
            path = hook.save_now(runner, runner.epoch, iteration)
            barrier()  # if one process exits early, the launcher could kill another that is still writing
            text = f'{signal.Signals(number).name}: saved {path} after iteration {iteration}'
            runner.logger.warning(f'{text}. Continue with --resume; exit code {EXIT_CODE}')
            raise SystemExit(EXIT_CODE)


def init_worker_signals(worker_id: int, init_fn: Callable[[int], None] | None) -> None:
    """Initialize a data worker that ignores signals from other processes than its parent (not on macOS)."""
    if hasattr(signal, 'sigwaitinfo'):
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=_exit_with_parent, daemon=True).start()
    if init_fn is not None:
        init_fn(worker_id)


def _exit_with_parent() -> None:
    while signal.sigwaitinfo(SIGNALS).si_pid != getattr(multiprocessing.parent_process(), 'pid', None):
        pass
    os._exit(0)
