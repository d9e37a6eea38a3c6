"""How fully sharded data parallel training cuts a model into units."""

from mmengine.registry import FUNCTIONS
from torch import nn

from ..layers import Block


@FUNCTIONS.register_module()
def wrap_blocks(module: nn.Module, recurse: bool, nonwrapped_numel: int) -> bool:
    """Make each transformer block one unit; `auto_wrap_policy='wrap_blocks'` of `MMFullyShardedDataParallel`."""
    return recurse or isinstance(module, Block)
