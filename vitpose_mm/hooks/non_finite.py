"""Name the samples of updates that were skipped because a loss or gradient was not finite."""

import logging
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from ..optim.finite import SkipsNonFinite
from .deferred import DeferredHook


@HOOKS.register_module()
class NonFiniteHook(DeferredHook):
    """Log the samples (image path and annotation id) of a batch whose loss or gradient is not finite.

    The hook reads the state of a `SkipsNonFinite` optimizer wrapper, which skips updates and stops the run, only before
    it is logged or saved. With a fused optimizer no step waits for the device; the run stops after the next reading.
    """

    def before_train(self, runner: Runner) -> None:
        """Let the wrapper wait for this hook."""
        super().before_train(runner)
        if isinstance(runner.optim_wrapper, SkipsNonFinite):
            runner.optim_wrapper.deferred = True

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Keep the samples of this step, and log those of the last steps whose loss or gradient is not finite."""
        if isinstance(runner.optim_wrapper, SkipsNonFinite):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def _keep(self, runner: Runner, data_batch: Any, outputs: dict) -> Any:
        infos = [sample.metainfo for sample in data_batch.get('data_samples', ())]
        names = [f'{info.get("img_path", "unknown image")} annotation {info.get("id")}' for info in infos]
        wrapper, finite_loss = runner.optim_wrapper, torch.as_tensor(outputs.get('loss', 0.0)).detach().isfinite()
        updated = wrapper.should_update() and wrapper.finite is not None
        flags = torch.stack((finite_loss, wrapper.finite if updated else torch.ones_like(finite_loss)))
        return runner.iter + 1, ', '.join(names), flags

    def _read(self, runner: Runner) -> None:
        unread, self._unread = self._unread, []
        flags = torch.stack([flags for *_, flags in unread]).tolist()
        level = logging.WARNING if is_main_process() else logging.ERROR  # other processes only log errors
        for (iteration, names, _), (finite_loss, finite) in zip(unread, flags, strict=True):
            if not (finite_loss and finite):
                batch = 'a gradient is not finite, or a loss of another process or batch of this update'
                problem = batch if finite_loss else 'the loss is not finite'
                print_log(f'iteration {iteration}: {problem}. Samples: {names}', 'current', level)
        runner.optim_wrapper.read()
