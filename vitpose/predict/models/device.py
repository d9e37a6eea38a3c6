"""Devices and precisions by name."""

import logging

import torch

from vitpose_mm.logs import log
from vitpose_mm.torch_support import EMULATION_WARNING, has_bfloat16

from ...errors import InputError

PRECISIONS = {'fp32': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}


def as_device(name: str) -> torch.device:
    """Return the device of a name, 'auto' included. ValueError if torch does not have it."""
    try:
        device = torch.device(('cuda' if torch.cuda.is_available() else 'cpu') if name == 'auto' else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as problem:
        reason, expected = str(problem).splitlines()[0], "expected 'auto', 'cpu', 'cuda' (or 'cuda:1', ...) or 'mps'"
        raise InputError(f'device={name!r}: {reason}; {expected}') from problem
    return device


def as_precision(name: str, device: torch.device) -> str:
    """Return the precision that a device computes in. ValueError if it is unknown, or fp16 without a GPU.

    'auto' is bf16 on a CUDA GPU, or fp16 before Ampere, whose tensor cores lack it; fp32 on other devices.
    """
    if name == 'auto' and device.type == 'cuda':
        return 'bf16' if torch.cuda.get_device_capability(device) >= (8, 0) else 'fp16'
    name = 'fp32' if name == 'auto' else name
    if name not in PRECISIONS:
        raise InputError(f'precision={name!r}: expected {", ".join(map(repr, (*PRECISIONS, "auto")))}')
    if name == 'fp16' and device.type != 'cuda':
        raise InputError(f"precision='fp16' needs a CUDA GPU, but the device is {str(device)!r}: use 'bf16' or 'fp32'")
    if name == 'bf16' and not has_bfloat16(device.type):
        log(f'PosePredictor: {EMULATION_WARNING}: predicting in float32', logging.WARNING)
        return 'fp32'
    return name
