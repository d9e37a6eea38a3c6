"""Change the input size of a config."""

from copy import deepcopy
from typing import Any

from mmengine.config import Config

from vitpose_mm.layers.patch_embed import PatchEmbed

from ..errors import InputError


def resized(cfg: Config, size: tuple[int, int]) -> Config:
    """Copy a config with crops of size (h, w) and heatmaps of the same stride. ValueError if it takes no such size."""
    cfg = deepcopy(cfg)
    backbone = cfg.model.backbone
    if 'ViT' not in str(backbone.type):
        raise InputError(f'--size {size[0]} {size[1]}: expected a ViT, which takes any size; this is a {backbone.type}')
    PatchEmbed(3, 1, backbone.get('stride'), backbone.get('patch_size', 16)).grid(*size)
    backbone.img_size = size
    for part in ('model', 'val_dataloader', 'test_dataloader'):
        _resize(cfg.get(part), size)
    return cfg


def _resize(node: Any, size: tuple[int, int]) -> None:
    """Change the size of every codec and crop below a node."""
    if isinstance(node, dict) and 'input_size' in node:
        if 'heatmap_size' in node:
            sides = zip(size[::-1], node['heatmap_size'], node['input_size'], strict=True)
            node['heatmap_size'] = tuple(new * cells // old for new, cells, old in sides)
        node['input_size'] = (size[1], size[0])
    if isinstance(node, dict | list | tuple):
        for child in list(node.values()) if isinstance(node, dict) else node:
            _resize(child, size)
