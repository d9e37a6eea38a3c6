"""A small masked autoencoder."""

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401


@pytest.fixture
def build():
    """A function that builds a masked autoencoder for images of 64x48 with all parameters away from zero."""

    def build(seed=0, randomised=True, backbone=None, img_size=(64, 48), **options):
        torch.manual_seed(seed)
        vit = dict(type='ViT', arch=dict(depth=2, embed_dim=32, num_heads=2), img_size=img_size, **(backbone or {}))
        options = dict(decoder=dict(dim=16, depth=2, heads=2), **options)
        model = MODELS.build(dict(type='MaskedAutoencoder', backbone=vit, **options))
        if randomised:
            for parameter in model.parameters():
                if parameter.requires_grad:
                    torch.nn.init.normal_(parameter, std=0.3)
        return model

    return build
