"""The running statistics of batch norm, which a forward pass changes, and which differ between processes."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norm_buffers(model: nn.Module) -> dict[str, Tensor]:
    """Return the buffers of all batch norms by name, without the prefix of a distributed model's wrapper."""
    return {
        f'{name}.{key}'.removeprefix('module.'): buffer
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm)
        for key, buffer in module.named_buffers()
    }
