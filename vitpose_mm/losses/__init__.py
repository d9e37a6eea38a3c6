"""Losses that MMPose does not have."""

from .heatmap_cross_entropy import HeatmapCrossEntropyLoss
from .heatmap_distill import HeatmapDistillLoss

__all__ = ['HeatmapCrossEntropyLoss', 'HeatmapDistillLoss']
