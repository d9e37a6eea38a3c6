"""Estimators: training on several datasets, and output distillation."""

from .distill import DistillPoseEstimator
from .multi_dataset import MultiDatasetPoseEstimator

__all__ = ['DistillPoseEstimator', 'MultiDatasetPoseEstimator']
