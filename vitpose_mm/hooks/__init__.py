"""Hooks for MMEngine's runner."""

from .checkpoint import CompleteCheckpointHook
from .dataset_mix import DatasetMixHook
from .epoch_seed import EpochSeedHook
from .preemption import PreemptionHook
from .reconstruction import ReconstructionHook
from .run_check import RunCheckHook

__all__ = [
    'CompleteCheckpointHook',
    'DatasetMixHook',
    'EpochSeedHook',
    'PreemptionHook',
    'ReconstructionHook',
    'RunCheckHook',
]
