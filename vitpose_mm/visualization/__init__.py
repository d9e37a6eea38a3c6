"""Visualisers and their backends."""

from .local_backend import TolerantVisBackend
from .per_dataset import PerDatasetVisualizer

__all__ = ['PerDatasetVisualizer', 'TolerantVisBackend']
