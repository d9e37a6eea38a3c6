"""Hooks for MMEngine's runner."""

from .dataset_mix import DatasetMixHook
from .epoch_seed import EpochSeedHook
from .reconstruction import ReconstructionHook
from .run_check import RunCheckHook

__all__ = ['DatasetMixHook', 'EpochSeedHook', 'ReconstructionHook', 'RunCheckHook']
