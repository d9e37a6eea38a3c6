"""Hooks for MMEngine's runner."""

from .compile_network import CompileHook
from .dataset_mix import DatasetMixHook
from .epoch_seed import EpochSeedHook
from .reconstruction import ReconstructionHook
from .run_check import RunCheckHook

__all__ = ['CompileHook', 'DatasetMixHook', 'EpochSeedHook', 'ReconstructionHook', 'RunCheckHook']
