"""What needs a newer torch, or a newer processor, than the package does."""

import torch
from torch.torch_version import TorchVersion

EMULATION_WARNING = 'this processor has no AVX-512 or bfloat16 instructions, and bfloat16 is slower than float32 on it'


def check_torch(version: str, purpose: str, error: type[ValueError] = ValueError) -> None:
    """Raise an `error` that names what needs a torch of this version or newer, if it is older."""
    if TorchVersion(torch.__version__) < version:
        raise error(f'{purpose} needs torch {version} or newer, and this is {torch.__version__}')


def has_bfloat16(device_type: str) -> bool:
    """Return whether a device computes in bfloat16; where a processor does not, torch emulates it, far slower."""
    if device_type != 'cpu':
        return True
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
