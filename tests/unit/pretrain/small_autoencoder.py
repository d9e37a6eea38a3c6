"""A small masked autoencoder."""

import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401


def build(seed=0, randomized=True, backbone=None, img_size=(64, 48), **options):
    """Build a masked autoencoder with all parameters away from zero."""
    torch.manual_seed(seed)
    vit = dict(type='ViT', arch=dict(depth=2, embed_dim=32, num_heads=2), img_size=img_size, **(backbone or {}))
    decoder = dict(dim=16, depth=2, heads=2)
    model = MODELS.build(dict(type='MaskedAutoencoder', backbone=vit, decoder=decoder, **options))
    for parameter in model.parameters():
        if randomized and parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    return model
