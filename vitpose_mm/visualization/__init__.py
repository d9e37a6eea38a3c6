"""Visualisers."""

from .per_dataset import PerDatasetVisualizer

__all__ = ['PerDatasetVisualizer']
