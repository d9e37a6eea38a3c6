"""Small tensors from the host to a device."""

from collections.abc import Sequence

import torch
from torch import Tensor


def index_on(device: torch.device | str, indices: Sequence[int]) -> Tensor:
    """Copy indices (n,) to a device as int64, without a host-device wait."""
    return copy_to(device, torch.tensor(indices))


def copy_to(device: torch.device | str, values: Tensor) -> Tensor:
    """Copy a tensor of the host to a device, without a host-device wait."""
    if torch.device(device).type == 'cuda':
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
