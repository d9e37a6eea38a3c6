"""Optimizer set-up: layer-wise learning rates and mixed precision on CPU and GPU."""

from .autocast import AutocastOptimWrapper
from .finite import FiniteOptimWrapper
from .fused import FusedAdamW
from .layer_decay import ViTLayerDecayOptimWrapperConstructor

__all__ = ['AutocastOptimWrapper', 'FiniteOptimWrapper', 'FusedAdamW', 'ViTLayerDecayOptimWrapperConstructor']
