"""Evaluators."""

from .per_dataset import PerDatasetEvaluator

__all__ = ['PerDatasetEvaluator']
