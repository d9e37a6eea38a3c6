"""Hooks for MMEngine's runner."""

from .dataset_mix import DatasetMixHook
from .epoch_seed import EpochSeedHook

__all__ = ['DatasetMixHook', 'EpochSeedHook']
