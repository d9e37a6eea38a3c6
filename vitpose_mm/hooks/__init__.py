"""Hooks for MMEngine's runner."""

from .compile_network import CompileHook
from .complete_checkpoint import CompleteCheckpointHook
from .dataset_mix import DatasetMixHook
from .deferred import DeferredInfoHook
from .epoch_seed import EpochSeedHook
from .non_finite import NonFiniteHook
from .preemption import PreemptionHook
from .reconstruction import ReconstructionHook
from .run_check import RunCheckHook

__all__ = ['CompileHook', 'CompleteCheckpointHook', 'DatasetMixHook', 'DeferredInfoHook', 'EpochSeedHook']
__all__ += ['NonFiniteHook', 'PreemptionHook', 'ReconstructionHook', 'RunCheckHook']
