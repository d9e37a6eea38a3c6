"""Heads: the paper's two decoders, and one decoder per dataset."""

from .decoders import ClassicHead, SimpleHead
from .multi_dataset_head import MultiDatasetHead

__all__ = ['ClassicHead', 'MultiDatasetHead', 'SimpleHead']
