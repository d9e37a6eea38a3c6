"""Estimators: what MMPose's own top-down estimator cannot carry."""

from .multi_dataset import MultiDatasetPoseEstimator

__all__ = ['MultiDatasetPoseEstimator']
