"""Skip updates whose loss or gradient is not finite."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmpose.registry import OPTIM_WRAPPERS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

SKIPPED_UPDATES_KEY = 'steps_left_out'  # in the message hub, and so in checkpoints


class SkipsNonFinite(OptimWrapper):
    """Mixin for optimizer wrappers: skip updates whose loss or gradient is not finite, and stop after several.

    Weights, moments, step counts and the running statistics of batch norm stay as they are. A loss that is not finite
    makes all gradients of its process NaN, which the reduction of gradients passes on: all processes skip the same
    updates. With gradient accumulation, one such loss makes the whole update void. A fused optimizer, as
    `AdamW(fused=True)`, decides on the device. Each step reads what it did, or, if `deferred` is set, `read` does so
    for all steps since the last time: a run then stops later, but the skipped updates have changed nothing.

    Args:
        max_skipped: number of updates skipped in a row after which training stops, an integer >= 1.
        *args, **kwargs: of `OptimWrapper`.

    Raises:
        ValueError: max_skipped is not an integer >= 1.
        FloatingPointError: by `step` or `read`, after `max_skipped` or more skipped updates in a row; names the last
            checkpoint.
    """

    finite: Tensor | None = None  # of the last update, on the device: whether it was made
    grad_norm: Tensor | None = None  # of the last update, before clipping
    deferred = False  # whether `NonFiniteHook` calls `read`, instead of each step

    def __init__(self, *args: Any, max_skipped: int = 10, **kwargs: Any) -> None:
        if not isinstance(max_skipped, int) or isinstance(max_skipped, bool) or max_skipped < 1:
            raise ValueError(f'max_skipped={max_skipped!r}, expected an integer >= 1')
        OptimWrapper.__init__(self, *args, **kwargs)  # AmpOptimWrapper's constructor fails without a GPU
        self.max_skipped = max_skipped
        self._in_a_row: Any = 0  # a tensor on the device after the first update
        self._unread: list[tuple[int, Tensor]] = []  # iteration; norm of the gradients and number skipped in a row
        self._buffers: list[tuple[Tensor, Tensor]] = []  # of batch norm, each with its value before the update

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Keep the running statistics from before the first forward pass of an update."""
        if not self._buffers:
            norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
            self._buffers = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]
        with OptimWrapper.optim_context(self, model):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Run the backward pass; its gradients are NaN if the loss is not finite."""
        factor = torch.where(loss.detach().isfinite(), 1.0, float('nan')).to(loss.dtype)
        super().backward(loss * factor, **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients and update the weights, or skip the update."""
        self._clip_grad()
        self._step_if_finite(**kwargs)
        if self.finite is not None and self.grad_norm is not None:
            for buffer, before in self._buffers:
                buffer.copy_(torch.where(self.finite, buffer, before))
            self._in_a_row = torch.where(self.finite, 0.0, self._in_a_row + 1.0)
            row = torch.stack((self.grad_norm.float(), self._in_a_row))
            self._unread.append((self.message_hub.get_info('iter', -1) + 1, row))
            if not self.deferred:
                self.read()
        self._buffers = []

    def _clip_grad(self) -> None:
        """Clip, and store whether all gradients are finite; unlike MMEngine, without waiting for the device."""
        parameters = [p for group in self.optimizer.param_groups for p in group['params'] if p.grad is not None]
        kwargs = self.clip_grad_kwargs or {}
        if parameters:
            by_norm = kwargs and self.clip_func is clip_grad_norm_
            # an infinite limit leaves the gradients as they are
            norm = clip_grad_norm_(parameters, **(kwargs if by_norm else dict(max_norm=float('inf'))))
            if kwargs and not by_norm:
                clip_grad_value_(parameters, **kwargs)
            self.finite, self.grad_norm = norm.isfinite(), norm

    def _step_if_finite(self, **kwargs: Any) -> None:
        if self.finite is None:
            self.optimizer.step(**kwargs)
        elif all(group.get('fused') for group in self.optimizer.param_groups):
            optimizer: Any = self.optimizer  # its interface for gradient scalers
            optimizer.grad_scale, optimizer.found_inf = None, (~self.finite).float()
            try:
                optimizer.step(**kwargs)
            finally:
                del optimizer.grad_scale, optimizer.found_inf
        elif self.finite:
            self.optimizer.step(**kwargs)

    def read(self) -> None:
        """Log the norms of the gradients and what was skipped since the last time; stop after too many in a row."""
        unread, self._unread = self._unread, []
        rows = torch.stack([row for _, row in unread]).tolist() if unread else []
        info, longest, last = self.message_hub.runtime_info, 0, 0
        for (iteration, _), (norm, in_a_row) in zip(unread, rows, strict=True):
            self.message_hub.update_scalar('train/grad_norm', norm)
            if in_a_row:
                self.message_hub.update_info(SKIPPED_UPDATES_KEY, info.get(SKIPPED_UPDATES_KEY, 0) + 1)
                counts = f'{info[SKIPPED_UPDATES_KEY]} updates skipped, {in_a_row:g} in a row'
                text = f'iteration {iteration}: no update: the norm of the gradients is {norm:g} ({counts})'
                print_log(text, 'current', logging.WARNING)
            longest, last = max((longest, last), (int(in_a_row), iteration))
        if longest >= self.max_skipped:
            raise FloatingPointError(
                f'the loss or a gradient was not finite in {longest} updates in a row. Last checkpoint: '
                f'{info.get("last_ckpt") or "none was written"}. The last of them was in iteration {last}. Lower the '
                'learning rate, clip the gradients, or correct the samples: NonFiniteHook names them in the log'
            )


@OPTIM_WRAPPERS.register_module()
class FiniteOptimWrapper(SkipsNonFinite):
    """MMEngine's `OptimWrapper`, in the precision of the weights, that skips updates; see `SkipsNonFinite`."""
