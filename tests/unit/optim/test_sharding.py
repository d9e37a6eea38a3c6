"""Fully sharded training cuts a model into transformer blocks."""

from mmengine.registry import FUNCTIONS
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401


def test_blocks_are_units_and_other_modules_are_searched():
    policy = FUNCTIONS.get('wrap_blocks')
    vit = MODELS.build(dict(type='ViT', arch=dict(depth=2, embed_dim=24, num_heads=2), img_size=(32, 32)))
    assert policy(vit.layers[0], recurse=False, nonwrapped_numel=0)
    assert not policy(vit.layers[0].attn, recurse=False, nonwrapped_numel=0)
    assert not policy(vit, recurse=False, nonwrapped_numel=0)
    assert policy(vit, recurse=True, nonwrapped_numel=0)
