"""Index tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor


def index_on(device: torch.device | str, indices: Sequence[int]) -> Tensor:
    """Copy indices (n,) to a device as int64, without a host-device wait."""
    index = torch.tensor(indices)
    if torch.device(device).type == 'cuda':
        return index.pin_memory().to(device, non_blocking=True)
    return index.to(device)
