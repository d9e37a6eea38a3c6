"""Values of training steps that stay on the device until they are logged or saved."""

from abc import ABC, abstractmethod
from typing import Any

from mmengine.hooks import Hook, LoggerHook, RuntimeInfoHook
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import Tensor


class DeferredHook(Hook, ABC):
    """Base of hooks that read values of training steps only before they are logged or saved.

    Reading a value waits until the device has finished the step. The values are read in the iterations that a
    `LoggerHook` logs (in each one if there is none), in the last one of an epoch, and before a checkpoint is saved.
    """

    def before_train(self, runner: Runner) -> None:
        """Start without values."""
        super().before_train(runner)
        self._unread: list[Any] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Keep the values of this step, and read those of the last steps if they are logged."""
        self._unread.append(self._keep(runner, data_batch, outputs or {}))
        interval = min((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), default=1)
        ends = self.end_of_epoch(runner.train_dataloader, batch_idx) or self.is_last_train_iter(runner)
        if ends or self.every_n_inner_iters(batch_idx, interval):
            self._read(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Read the values of the last steps, and save the message hub that has them."""
        if self._unread:
            self._read(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    @abstractmethod
    def _keep(self, runner: Runner, data_batch: Any, outputs: dict) -> Any:
        """Return what to keep of a step, without reading it."""

    @abstractmethod
    def _read(self, runner: Runner) -> None:
        """Read and empty `_unread`."""


@HOOKS.register_module()
class DeferredInfoHook(DeferredHook, RuntimeInfoHook):
    """MMEngine's `RuntimeInfoHook` that reads losses only before they are logged or saved, not in each step.

    The logs are the same. In between, the message hub lacks the losses of the last steps.
    """

    def _keep(self, runner: Runner, data_batch: Any, outputs: dict) -> dict:
        return {key: value.detach() if isinstance(value, Tensor) else value for key, value in outputs.items()}

    def _read(self, runner: Runner) -> None:
        unread, self._unread = self._unread, []
        for outputs in unread:
            RuntimeInfoHook.after_train_iter(self, runner, 0, outputs=outputs)
