"""Visualizers and their backends."""

from .local_backend import TolerantVisBackend
from .per_dataset_visualizer import PerDatasetVisualizer

__all__ = ['PerDatasetVisualizer', 'TolerantVisBackend']
