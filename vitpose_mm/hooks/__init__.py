"""Hooks for MMEngine's runner."""

from .compile_network import CompileHook
from .complete_checkpoint import CompleteCheckpointHook
from .dataset_mix import DatasetMixHook
from .epoch_seed import EpochSeedHook
from .non_finite import NonFiniteHook
from .preemption import PreemptionHook
from .reconstruction import ReconstructionHook
from .run_check import RunCheckHook

__all__ = ['CompileHook', 'CompleteCheckpointHook', 'DatasetMixHook', 'EpochSeedHook', 'NonFiniteHook']
__all__ += ['PreemptionHook', 'ReconstructionHook', 'RunCheckHook']
