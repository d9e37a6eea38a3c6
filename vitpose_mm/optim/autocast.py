"""Mixed precision on CPU and GPU."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import AmpOptimWrapper
from mmpose.registry import OPTIM_WRAPPERS
from torch import nn

from ..torch_support import EMULATION_WARNING, has_bfloat16
from .finite import SkipsNonFinite

# torch 2.3 moved GradScaler and deprecated the old name; older releases only have the old one.
GradScaler = getattr(torch.amp, 'GradScaler', None) or torch.cuda.amp.GradScaler

DTYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(SkipsNonFinite, AmpOptimWrapper):
    """MMEngine's `AmpOptimWrapper` for any device that `torch.autocast` supports.

    The forward pass runs under autocast on the device of the optimizer's parameters: bfloat16 on CPU and GPU, or
    float16 on a CUDA GPU. The loss is scaled for float16 only, since bfloat16 has the range of float32. Weights,
    gradients and the optimizer's state stay in float32. On a processor that only emulates bfloat16 the forward pass
    runs in float32, and the log says so. Updates whose loss or gradient is not finite are skipped; see
    `SkipsNonFinite`. With float16 the scaler skips them, and lowers its scale.

    With float32 there is no autocast; matrix products on a CUDA GPU then use TF32 in the whole process
    (`torch.set_float32_matmul_precision('high')`). `FiniteOptimWrapper` leaves torch's setting as it is.

    Args:
        dtype: 'bfloat16', 'float16' or 'float32', or the `torch.dtype` of that name.
        loss_scale: for float16: 'dynamic', a fixed scale, or a dict of `GradScaler`'s arguments.
        **kwargs: `SkipsNonFinite`'s and `OptimWrapper`'s arguments: optimizer, max_skipped, accumulative_counts,
            clip_grad.

    Raises:
        ValueError: dtype is unknown, or float16 is used without CUDA.
        TypeError: loss_scale is not 'dynamic', a number or a dict.
    """

    def __init__(
        self, dtype: str | torch.dtype = 'bfloat16', loss_scale: str | float | dict[str, Any] = 'dynamic', **kwargs: Any
    ) -> None:
        SkipsNonFinite.__init__(self, **kwargs)
        name = str(dtype).removeprefix('torch.')
        if name not in (*DTYPES, 'float32'):
            raise ValueError(f"dtype={dtype!r}: expected 'bfloat16', 'float16' or 'float32'")
        self.cast_dtype = getattr(torch, name)
        self.device_type = self.optimizer.param_groups[0]['params'][0].device.type
        if self.cast_dtype is torch.float16 and self.device_type != 'cuda':
            raise ValueError(f"dtype='float16' needs a GPU, the parameters are on '{self.device_type}': use 'bfloat16'")
        emulated = self.cast_dtype is torch.bfloat16 and not has_bfloat16(self.device_type)
        self.enabled = self.cast_dtype is not torch.float32 and not emulated
        if self.cast_dtype is torch.float32 and self.device_type == 'cuda':
            torch.set_float32_matmul_precision('high')
        if emulated:
            print_log(f'AutocastOptimWrapper: {EMULATION_WARNING}: training in float32', 'current', logging.WARNING)
        self._scale_update_param: float | None = None
        scaler_kwargs = loss_scale if isinstance(loss_scale, dict) else {}
        if isinstance(loss_scale, int | float) and not isinstance(loss_scale, bool):
            self._scale_update_param = float(loss_scale)
            scaler_kwargs = {'init_scale': float(loss_scale)}
        elif not isinstance(loss_scale, dict) and loss_scale != 'dynamic':
            raise TypeError(f"loss_scale={loss_scale!r}: expected 'dynamic', a number or GradScaler's arguments")
        self.loss_scaler = GradScaler(**{**scaler_kwargs, 'enabled': self.cast_dtype is torch.float16})

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass under autocast."""
        dtype = self.cast_dtype if self.enabled else None  # torch 2.1 warns of float32
        with super().optim_context(model), torch.autocast(self.device_type, dtype, enabled=self.enabled):
            yield

    def _clip_grad(self) -> None:
        self.loss_scaler.unscale_(self.optimizer)  # unless it is disabled
        super()._clip_grad()

    def _step_if_finite(self, **kwargs: Any) -> None:
        if not self.loss_scaler.is_enabled():
            super()._step_if_finite(**kwargs)
            return
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self._scale_update_param)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state dict; also accept that of a different precision, which has no scaler state."""
        if not state_dict.get('loss_scaler'):
            state_dict.pop('loss_scaler', None)
        super().load_state_dict(state_dict)
