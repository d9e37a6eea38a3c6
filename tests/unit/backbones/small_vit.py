"""A small ViT for the tests of backbones."""

import pytest
import torch
from mmengine.utils import digit_version
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401

NEEDS_TRACING = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.4'), reason='tracing and export need torch 2.4 or newer'
)


def build(depth=4, dim=48, heads=4, **changes):
    """Build a ViT; relative positions and knowledge tokens, which start at or near zero, are random."""
    torch.manual_seed(0)
    arch = dict(depth=depth, embed_dim=dim, num_heads=heads)
    model = MODELS.build({'type': 'ViT', 'arch': arch, 'img_size': (64, 48), **changes})
    for name, parameter in model.named_parameters():
        if 'rel_pos' in name or 'knowledge_token' in name:
            torch.nn.init.normal_(parameter, std=0.2)
    return model
