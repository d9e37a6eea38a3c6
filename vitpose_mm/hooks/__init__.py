"""Hooks for MMEngine's runner."""

from .checkpoint import CompleteCheckpointHook
from .compile_network import CompileHook
from .dataset_mix import DatasetMixHook
from .epoch_seed import EpochSeedHook
from .non_finite import NonFiniteHook
from .preemption import PreemptionHook
from .reconstruction import ReconstructionHook
from .run_check import RunCheckHook

__all__ = [
    'CompileHook',
    'CompleteCheckpointHook',
    'DatasetMixHook',
    'EpochSeedHook',
    'NonFiniteHook',
    'PreemptionHook',
    'ReconstructionHook',
    'RunCheckHook',
]
