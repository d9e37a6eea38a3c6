"""AdamW in torch's fused implementation."""

from collections.abc import Iterable
from typing import Any

import torch
from mmpose.registry import OPTIMIZERS


@OPTIMIZERS.register_module()
class FusedAdamW(torch.optim.AdamW):
    """`torch.optim.AdamW`, fused where torch can fuse it for the devices and types of the parameters.

    The fused implementation updates all parameters in a few kernels. State dicts and arguments, except for `fused`, are
    AdamW's.
    """

    def __init__(self, params: Iterable, **kwargs: Any):
        params = [_listed(group) if isinstance(group, dict) else group for group in params]
        # torch writes into the groups before it refuses
        copied = [dict(group) if isinstance(group, dict) else group for group in params]
        try:
            super().__init__(copied, fused=True, **kwargs)
        except RuntimeError:  # raised for an unsupported device or type
            super().__init__(params, **kwargs)


def _listed(group: dict[str, Any]) -> dict[str, Any]:
    """Replace the iterator in a parameter group, which could be read only once, by a list."""
    params = group['params']
    return dict(group, params=[params] if isinstance(params, torch.Tensor) else list(params))
