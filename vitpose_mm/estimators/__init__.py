"""Estimators: training on several datasets, and output distillation."""

from .device_crop import DeviceCropPreprocessor
from .distill_estimator import DistillPoseEstimator
from .multi_dataset_estimator import MultiDatasetPoseEstimator

__all__ = ['DeviceCropPreprocessor', 'DistillPoseEstimator', 'MultiDatasetPoseEstimator']
