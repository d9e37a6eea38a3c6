"""Training hooks."""

from .epoch_seed import EpochSeedHook

__all__ = ['EpochSeedHook']
