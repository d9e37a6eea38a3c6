"""Optimiser set-up: layer-wise learning rates and mixed precision on CPU and GPU."""

from .autocast import AutocastOptimWrapper
from .finite import FiniteOptimWrapper
from .fused import FusedAdamW
from .layer_decay import ViTLayerDecayOptimWrapperConstructor
from .sharding import wrap_blocks

__all__ = [
    'AutocastOptimWrapper',
    'FiniteOptimWrapper',
    'FusedAdamW',
    'ViTLayerDecayOptimWrapperConstructor',
    'wrap_blocks',
]
