"""Optimizer steps that are left out when the loss or a gradient is not finite."""

from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmpose.registry import OPTIM_WRAPPERS
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_


class SkipsNonFinite(OptimWrapper):
    """Mixin of optimizer wrappers that leave out a step whose loss or gradient is not finite.

    Weights, moments and step counts stay as they are. A loss that is not finite makes all gradients of its process
    NaN, which the reduction of gradients passes on: all processes leave out the same steps. With gradient accumulation,
    one such loss makes the whole update void.

    On a GPU the processor does not wait for the result if the optimizer has a fused implementation, as
    ``AdamW(fused=True)``: it decides on the device.

    Attributes:
        finite: of the last update: scalar tensor on the device, True if it was made; None before the first.
        grad_norm: of the last update: norm of all gradients, before clipping.
    """

    finite: Tensor | None = None
    grad_norm: Tensor | None = None

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Backward pass, whose gradients are NaN if the loss is not finite."""
        factor = torch.where(loss.detach().isfinite(), 1.0, float('nan')).to(loss.dtype)
        super().backward(loss * factor, **kwargs)

    def _clip_grad(self) -> None:
        """Clip, and note whether all gradients are finite; unlike MMEngine's, without waiting for the device."""
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


@OPTIM_WRAPPERS.register_module()
class FiniteOptimWrapper(SkipsNonFinite):
    """MMEngine's ``OptimWrapper`` that leaves out steps whose loss or gradient is not finite; see ``SkipsNonFinite``.

    ``NonFiniteHook`` counts them and names their samples.

    Args:
        *args, **kwargs: of ``OptimWrapper``.
    """

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients and update the weights."""
        self._clip_grad()
        self._step_if_finite(**kwargs)
