"""Losses that MMPose has not."""

from .heatmap import HeatmapDistillLoss

__all__ = ['HeatmapDistillLoss']
