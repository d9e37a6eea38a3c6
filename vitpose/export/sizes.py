"""Change the input size of a config."""

from mmengine.config import Config

from vitpose_mm.input_size import set_input_size
from vitpose_mm.layers.patch_embed import PatchEmbed

from ..errors import InputError


def resize(cfg: Config, size: tuple[int, int]) -> None:
    """Give a config crops of size (h, w) and heatmaps of the same stride. ValueError if it takes no such size."""
    backbone = cfg.model.backbone
    if 'ViT' not in str(backbone.type):
        raise InputError(f'--size {size[0]} {size[1]}: expected a ViT, which takes any size; this is a {backbone.type}')
    PatchEmbed(3, 1, backbone.get('stride'), backbone.get('patch_size', 16)).grid(*size)
    backbone.img_size = size
    set_input_size({part: cfg.get(part) for part in ('model', 'val_dataloader', 'test_dataloader')}, *size)
