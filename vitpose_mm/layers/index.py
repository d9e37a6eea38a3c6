"""Indices made on the host, used on a device."""

from collections.abc import Sequence

import torch
from torch import Tensor


def index_on(device: torch.device | str, indices: Sequence[int]) -> Tensor:
    """Indices (n,) as int64 on a device, sent without making the host wait for it."""
    index = torch.tensor(indices)
    if torch.device(device).type == 'cuda':
        return index.pin_memory().to(device, non_blocking=True)
    return index.to(device)
