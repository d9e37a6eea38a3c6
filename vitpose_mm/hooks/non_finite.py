"""Counting the steps that were left out because a loss or gradient was not finite, and naming their samples."""

import logging
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import Tensor

from ..optim.finite import SkipsNonFinite
from .batch_norm import batch_norm_buffers
from .dataset_mix import bare_model

COUNT = 'steps_left_out'  # in the message hub, and so in checkpoints


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Stops a run whose loss or gradient is not finite in several steps in a row.

    `FiniteOptimWrapper` and `AutocastOptimWrapper` leave such steps out. This hook restores the running statistics of
    batch norm from before the step, counts the step, and names its samples (image path and annotation id) in a
    warning: if the loss of this process was not finite, those of its batch are the cause; if all losses were finite,
    the samples of every process are named. It also logs the norm of the gradients.

    On a GPU, the results of `most` steps are read at once, so the processor does not wait for each step, and a run
    stops after at most twice as many steps.

    Args:
        most: number of such steps in a row after which the run stops, an integer >= 1.

    Raises:
        ValueError: `most` is not an integer >= 1.
        FloatingPointError: after `most` steps in a row, names the last checkpoint.
    """

    def __init__(self, most: int = 10):
        if not isinstance(most, int) or isinstance(most, bool) or most < 1:
            raise ValueError(f'NonFiniteHook: most={most!r}, expected an integer >= 1')
        self.most = most
        self._row = 0
        self._pending: list[tuple[int, Tensor, list[str]]] = []
        self._samples: list[str] = []
        self._losses: list[Tensor] = []
        self._before: dict[str, Tensor] = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the running statistics from before an update."""
        if isinstance(runner.optim_wrapper, SkipsNonFinite) and not self._samples:
            self._before = {name: buffer.clone() for name, buffer in batch_norm_buffers(bare_model(runner)).items()}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Restore the statistics if the update was left out, and report, at once or every `most` updates."""
        wrapper = runner.optim_wrapper
        if not isinstance(wrapper, SkipsNonFinite):
            return
        self._samples += names(data_batch)
        loss = (outputs or {}).get('loss')
        self._losses += [loss.detach().reshape(())] if isinstance(loss, Tensor) else []
        if not wrapper.should_update() or wrapper.finite is None or wrapper.grad_norm is None:
            return
        for name, buffer in batch_norm_buffers(bare_model(runner)).items():
            buffer.copy_(torch.where(wrapper.finite, buffer, self._before[name]))
        losses = torch.stack(self._losses).sum() if self._losses else wrapper.grad_norm
        result = torch.stack([part.float() for part in (wrapper.finite, wrapper.grad_norm, losses)])
        self._pending.append((runner.iter + 1, result, self._samples))
        self._samples, self._losses = [], []
        if not result.is_cuda or len(self._pending) >= self.most:
            self._report(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """The number in the checkpoint is that of all steps before it."""
        self._read(runner)
        checkpoint['message_hub'].get('runtime_info', {}).update({COUNT: self._count(runner)})

    def after_train_epoch(self, runner: Runner) -> None:
        """Report what is left."""
        self._report(runner)

    def _count(self, runner: Runner) -> int:
        return runner.message_hub.runtime_info.get(COUNT, 0)

    def _report(self, runner: Runner) -> None:
        self._read(runner)
        if self._row >= self.most:
            last = runner.message_hub.runtime_info.get('last_ckpt') or 'none was written'
            raise FloatingPointError(
                f'the loss or a gradient was not finite in {self._row} steps in a row, up to iteration '
                f'{runner.iter + 1}; their samples are named above. Last good checkpoint: {last}. Lower the learning '
                'rate, clip the gradients, or correct the samples'
            )

    def _read(self, runner: Runner) -> None:
        """Read the results of the updates since the last time, and log them."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        for (iteration, _, samples), (finite, norm, loss) in zip(
            pending, torch.stack([result for _, result, _ in pending]).tolist(), strict=True
        ):
            runner.message_hub.update_scalar('train/grad_norm', norm)
            self._row = 0 if finite else self._row + 1
            if finite:
                continue
            runner.message_hub.update_info(COUNT, self._count(runner) + 1)
            print_log(
                f'iteration {iteration}: no update, since the loss is {loss:g} and the norm of the gradients {norm:g} '
                f'({self._count(runner)} updates left out, {self._row} in a row). Samples: {", ".join(samples)}',
                logger='current',
                level=logging.WARNING if is_main_process() else logging.ERROR,  # others only log errors
            )


def names(data_batch: Any) -> list[str]:
    """Return image path and annotation id of the samples of a batch."""
    samples = data_batch.get('data_samples', ()) if isinstance(data_batch, dict) else ()
    found = []
    for sample in samples:
        path, number = sample.metainfo.get('img_path', 'unknown image'), sample.metainfo.get('id')
        found.append(path if number is None else f'{path} annotation {number}')
    return found or ['unknown']
