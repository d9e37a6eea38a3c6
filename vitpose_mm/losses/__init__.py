"""Losses that MMPose does not have."""

from .heatmap_distill import HeatmapDistillLoss

__all__ = ['HeatmapDistillLoss']
