"""Heads: the paper's two decoders, one decoder per dataset, and calibrated scores."""

from .confidence_head import ConfidenceHead
from .decoders import ClassicHead, SimpleHead
from .multi_dataset_head import MultiDatasetHead

__all__ = ['ClassicHead', 'ConfidenceHead', 'MultiDatasetHead', 'SimpleHead']
