"""Estimators: training on several datasets, and output distillation."""

from .distill_estimator import DistillPoseEstimator
from .multi_dataset_estimator import MultiDatasetPoseEstimator

__all__ = ['DistillPoseEstimator', 'MultiDatasetPoseEstimator']
