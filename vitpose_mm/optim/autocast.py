"""Mixed precision on CPU and GPU."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmpose.registry import OPTIM_WRAPPERS
from torch import nn

from .finite import SkipsNonFinite

# torch 2.3 moved GradScaler and deprecated the old name; older releases only have the old one.
GradScaler = getattr(torch.amp, 'GradScaler', None) or torch.cuda.amp.GradScaler

EMULATED = 'this processor has no AVX-512 or bfloat16 instructions, and bfloat16 is slower than float32 on it'
DTYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(SkipsNonFinite, AmpOptimWrapper):
    """MMEngine's ``AmpOptimWrapper`` for any device that ``torch.autocast`` supports.

    The forward pass runs under autocast on the device of the optimiser's parameters: bfloat16 on CPU and GPU, or
    float16 on a CUDA GPU. The loss is scaled for float16 only, since bfloat16 has the range of float32. Weights,
    gradients and the optimiser's state stay in float32. On a processor that only emulates bfloat16 the forward pass
    runs in float32, and the log says so. Steps whose loss or gradient is not finite are left out; see
    ``SkipsNonFinite``. With float16 the scaler leaves them out, and lowers its scale.

    Args:
        dtype: 'bfloat16' or 'float16', or the ``torch.dtype`` of that name.
        loss_scale: for float16: 'dynamic', a fixed scale, or a dict of ``GradScaler``'s arguments.
        **kwargs: ``OptimWrapper``'s arguments: optimizer, accumulative_counts, clip_grad.

    Raises:
        ValueError: dtype is another, or float16 is used without CUDA.
        TypeError: loss_scale is not 'dynamic', a number or a dict.
    """

    def __init__(
        self, dtype: str | torch.dtype = 'bfloat16', loss_scale: str | float | dict[str, Any] = 'dynamic', **kwargs: Any
    ) -> None:
        # Skip AmpOptimWrapper's own __init__, which fails on machines without a GPU.
        OptimWrapper.__init__(self, **kwargs)
        self.cast_dtype = _as_dtype(dtype)
        self.device_type = self.optimizer.param_groups[0]['params'][0].device.type
        if self.cast_dtype is torch.float16 and self.device_type != 'cuda':
            raise ValueError(
                f"dtype='float16' needs a CUDA GPU, but the parameters are on '{self.device_type}'. "
                "Use dtype='bfloat16' there."
            )
        self.enabled = self.cast_dtype is not torch.bfloat16 or has_bfloat16(self.device_type)
        if not self.enabled:
            print_log(f'AutocastOptimWrapper: {EMULATED}: training in float32', 'current', logging.WARNING)
        self._scale_update_param: float | None = None
        scaler_kwargs = loss_scale if isinstance(loss_scale, dict) else {}
        if isinstance(loss_scale, int | float) and not isinstance(loss_scale, bool):
            self._scale_update_param = float(loss_scale)
            scaler_kwargs = {'init_scale': float(loss_scale)}
        elif not isinstance(loss_scale, dict) and loss_scale != 'dynamic':
            raise TypeError(
                f"loss_scale={loss_scale!r}: expected 'dynamic', a number or a dict of GradScaler's arguments."
            )
        self.loss_scaler = GradScaler(**{**scaler_kwargs, 'enabled': self.cast_dtype is torch.float16})

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass under autocast, with the gradient accumulation of ``OptimWrapper``."""
        with (
            OptimWrapper.optim_context(self, model),
            torch.autocast(device_type=self.device_type, dtype=self.cast_dtype, enabled=self.enabled),
        ):
            yield

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients and update the weights."""
        if not self.loss_scaler.is_enabled():
            self._clip_grad()
            self._step_if_finite(**kwargs)
            return
        self.loss_scaler.unscale_(self.optimizer)
        self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self._scale_update_param)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state dict; one of another precision, which has no scaler state, is accepted too."""
        if not state_dict.get('loss_scaler'):
            state_dict.pop('loss_scaler', None)
        super().load_state_dict(state_dict)


def has_bfloat16(device_type: str) -> bool:
    """Return whether a device computes in bfloat16; where a processor does not, torch emulates it, far slower."""
    if device_type != 'cpu':
        return True
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _as_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Return the ``torch.dtype`` for a name or dtype in ``DTYPES``."""
    if isinstance(dtype, str) and dtype in DTYPES:
        return DTYPES[dtype]
    if isinstance(dtype, torch.dtype) and dtype in DTYPES.values():
        return dtype
    raise ValueError(f"dtype={dtype!r}: expected 'bfloat16' or 'float16'. For float32, use type='FiniteOptimWrapper'.")
