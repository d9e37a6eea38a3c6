"""Losses that MMPose does not have."""

from .heatmap import HeatmapDistillLoss

__all__ = ['HeatmapDistillLoss']
