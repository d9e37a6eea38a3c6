"""Checkpoints of other origins."""

from .key_maps import rename_backbone, rename_head

__all__ = ['rename_backbone', 'rename_head']
