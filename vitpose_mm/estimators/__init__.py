"""Estimators: what MMPose's own top-down estimator cannot carry."""

from .distill import DistillPoseEstimator
from .multi_dataset import MultiDatasetPoseEstimator

__all__ = ['DistillPoseEstimator', 'MultiDatasetPoseEstimator']
