"""Evaluators and metrics."""

from .extended_oks import ExtendedOKS
from .per_dataset_evaluator import PerDatasetEvaluator

__all__ = ['ExtendedOKS', 'PerDatasetEvaluator']
