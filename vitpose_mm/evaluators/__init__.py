"""Evaluators."""

from .per_dataset_evaluator import PerDatasetEvaluator

__all__ = ['PerDatasetEvaluator']
