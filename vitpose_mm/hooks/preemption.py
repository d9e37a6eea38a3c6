"""Saving and leaving when the cluster asks for the machine."""

import atexit
import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from mmengine.dist import barrier, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import distributed

from .checkpoint import CompleteCheckpointHook

EXIT_CODE = 75  # sysexits.h: a temporary failure, try again
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


@HOOKS.register_module()
class PreemptionHook(Hook):
    """On SIGTERM or SIGUSR1, saves a checkpoint after the current step and ends the process with exit code 75.

    All processes of a distributed run stop after the same step, also if only one of them gets the signal. With
    gradient accumulation, the run stops after the current update. A signal during validation ends a single process
    after the current batch, and several processes after the validation. Data workers ignore the signals.

    The run continues with `--resume`; needs `CompleteCheckpointHook` and, to continue within the epoch,
    `EpochSeedHook`.

    Raises:
        ValueError: before training, without a `CompleteCheckpointHook`.
        OSError: the checkpoint could not be written.
    """

    priority = 'LOWEST'  # after the schedulers and after a regular checkpoint

    def __init__(self) -> None:
        self._signal = 0
        self._training = False
        self._group: Any = None
        self._previous: dict[int, Any] = {}

    def before_train(self, runner: Runner) -> None:
        """Handle the signals."""
        if not any(isinstance(hook, CompleteCheckpointHook) for hook in runner.hooks):
            raise ValueError(
                "PreemptionHook needs default_hooks.checkpoint=dict(type='CompleteCheckpointHook', ...), or remove it"
            )
        if get_world_size() > 1:
            self._group = distributed.new_group(backend='gloo')  # a flag in CPU memory does not wait for the GPU
        self._training = True
        atexit.unregister(end_workers)
        atexit.register(end_workers)  # stays after the training, whose persistent workers still run then
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}

    def before_train_epoch(self, runner: Runner) -> None:
        """Shield the data workers, which get the signals of a whole job, too."""
        shield(runner.train_dataloader)

    def before_val_epoch(self, runner: Runner) -> None:
        """Shield the data workers of the validation."""
        if self._training:
            shield(runner.val_dataloader)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Leave if a process got a signal and no gradient is waiting for its update."""
        if getattr(runner.optim_wrapper, 'should_update', lambda: True)() and self._asked():
            self._leave(runner, runner.epoch, runner.iter + 1)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Leave within the validation; several processes may have different numbers of batches."""
        if self._training and self._group is None and self._signal:
            self._leave(runner, runner.epoch, runner.iter)

    def after_val(self, runner: Runner) -> None:
        """Leave after the validation."""
        if self._training and self._asked():
            self._leave(runner, runner.epoch, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Give the signals back."""
        self._training = False
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        self._signal = number

    def _asked(self) -> bool:
        """Whether any process got a signal."""
        if self._group is None:
            return bool(self._signal)
        flag = torch.tensor([self._signal])
        distributed.all_reduce(flag, distributed.ReduceOp.MAX, group=self._group)
        self._signal = int(flag)
        return bool(self._signal)

    def _leave(self, runner: Runner, epoch: int, iteration: int) -> None:
        hook = next(hook for hook in runner.hooks if isinstance(hook, CompleteCheckpointHook))
        path = hook.save_now(runner, epoch, iteration)
        barrier()  # a process that ends earlier could make the launcher kill one that still writes
        name = signal.Signals(self._signal).name
        if path is None:
            raise OSError(f'{name} after iteration {iteration}, but the checkpoint could not be written')
        text = f'{name}: saved {path} after iteration {iteration}. Continue with --resume; exit code {EXIT_CODE}'
        print_log(text, logger='current', level=logging.WARNING)
        raise SystemExit(EXIT_CODE)


def shield(loader: Any) -> None:
    """Make the data workers that a loader starts ignore the signals."""
    init = loader.worker_init_fn
    if getattr(init, 'func', None) is not init_shielded:
        loader.worker_init_fn = partial(init_shielded, init_fn=init)


def end_workers() -> None:
    """End the data workers that are left at exit: they ignore the SIGTERM that Python sends, and waits for them."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler would report them
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


def init_shielded(worker_id: int, init_fn: Callable[[int], None] | None) -> None:
    """Initialise a data worker that ignores SIGUSR1 and the first SIGTERM; a second one ends a worker that hangs."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.signal(number, signal.SIG_DFL))
    if init_fn is not None:
        init_fn(worker_id)
