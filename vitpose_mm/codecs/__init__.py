"""Codecs between keypoints and heatmaps."""

from .heatmaps import BatchMSRAHeatmap, BatchUDPHeatmap

__all__ = ['BatchMSRAHeatmap', 'BatchUDPHeatmap']
