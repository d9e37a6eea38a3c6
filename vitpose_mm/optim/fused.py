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
        try:
            super().__init__(params, fused=True, **kwargs)
        except RuntimeError:  # raised for an unsupported device or type, when the groups are complete
            super().__init__([dict(group, fused=None) for group in self.param_groups], **kwargs)
