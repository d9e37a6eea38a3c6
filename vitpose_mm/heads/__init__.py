"""Heads: the paper's two decoders."""

from .decoders import ClassicHead, SimpleHead

__all__ = ['ClassicHead', 'SimpleHead']
