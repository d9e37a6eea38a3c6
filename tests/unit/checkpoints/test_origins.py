"""Recognizing who wrote a checkpoint, and opening what is around it."""

from collections import OrderedDict

import pytest
import torch

from vitpose_mm.checkpoints.origins import FORMATS, recognize, unwrap

ONE = torch.zeros(1)
BLOCK, OURS = 'blocks.0.norm1.weight', 'backbone.layers.0.norm1.weight'
HF = 'encoder.layer.0.layernorm_before.weight'


@pytest.mark.parametrize(
    ('keys', 'name', 'prefix'),
    [
        ([OURS, 'head.final_layer.weight'], 'ours', 'backbone.'),
        (['layers.0.norm1.weight'], 'ours', ''),
        ([OURS, 'decoder.pos_embed', 'decoder.layers.0.norm1.weight'], 'ours-mae', ''),
        ([f'backbone.{BLOCK}', 'keypoint_head.final_layer.weight'], 'authors', 'backbone.'),
        (['backbone.layers.0.ln1.weight'], 'mmpose', 'backbone.'),
        (['backbone.layers.0.ln1.weight', 'backbone.cls_token'], 'mmpretrain', 'backbone.'),
        ([f'backbone.{HF}', 'head.conv.weight'], 'transformers', 'backbone.'),
        ([f'vit.{HF}', 'vit.embeddings.cls_token', 'decoder.x'], 'vitmae', ''),
        ([HF, 'embeddings.cls_token'], 'vit-transformers', ''),
        (['cls_token', BLOCK], 'mae', ''),
        (['cls_token', BLOCK, 'mask_token', 'decoder_blocks.0.norm1.weight'], 'mae-full', ''),
        (['cls_token', BLOCK, 'head.weight'], 'timm', ''),
        (['cls_token', BLOCK, 'blocks.0.ls1.gamma', 'register_tokens'], 'dinov2', ''),
        (['encoder.layer.0.norm1.weight', 'encoder.layer.0.layer_scale1.lambda1'], 'dinov2-transformers', ''),
    ],
)
def test_each_origin_is_recognized_with_its_reason(keys, name, prefix):
    origin = recognize(dict.fromkeys(keys, ONE))
    assert (origin.format.name, origin.prefix) == (name, prefix)
    assert origin.reason.startswith('it has ') and any(key in origin.reason for key in keys)
    shuffled = recognize(dict.fromkeys(reversed([*keys, 'optimizer.x']), ONE))
    assert shuffled.format.name == name


def test_every_format_is_tested_and_named_once():
    names = [form.name for form in FORMATS]
    assert len(set(names)) == len(names) == 13


def test_other_files_are_not_recognized():
    assert recognize({'conv1.weight': ONE, 'xblocks.0.norm1.weight': ONE}) is None
    assert recognize({f'backbone.{BLOCK}': ONE}, '') is None


def renamed(rename):
    """Wrap by renaming all keys."""
    return lambda weights: {rename(key): value for key, value in weights.items()}


@pytest.mark.parametrize(
    ('wrap', 'opened'),
    [
        (dict, ''),
        (lambda weights: dict(state_dict=weights, meta={}), 'state_dict'),
        (lambda weights: dict(model=weights, epoch=1), 'model'),
        (lambda weights: dict(module=weights), 'module'),  # DeepSpeed
        (lambda weights: dict(state_dict={'x': ONE}, state_dict_ema=weights), 'state_dict_ema'),
        (
            lambda weights: dict(ema_state_dict={'steps': ONE, **renamed('module.{}'.format)(weights)}),
            'ema_state_dict, module.',
        ),
        (renamed('module.{}'.format), 'module.'),
        (renamed('_orig_mod.module.{}'.format), 'module., _orig_mod.'),
        (renamed(lambda key: key.replace('a.', 'a._orig_mod.')), '_orig_mod.'),
        (lambda weights: dict(model=dict(state_dict=weights)), 'model, state_dict'),
    ],
)
def test_wrappers_are_opened(wrap, opened):
    weights = {'a.weight': ONE, 'b.module.bias': ONE}
    content, names = unwrap(wrap(weights))
    assert list(content) == list(weights) and names == opened


def test_the_average_of_mmengine_is_read():
    """Its hook exchanges the two: `state_dict` holds the averaged weights."""
    assert unwrap(dict(state_dict={'a': ONE}, ema_state_dict={'module.b': ONE}))[0] == {'a': ONE}


def test_unwrapping_keeps_the_metadata():
    weights = OrderedDict({'module.a.weight': ONE})
    weights._metadata = {'': {'version': 1}, 'module.a': {'version': 2}}
    assert unwrap(dict(state_dict=weights))[0]._metadata == {'': {'version': 1}, 'a': {'version': 2}}


def test_other_content_stays():
    assert unwrap([1]) == ([1], '') and unwrap({}) == ({}, '')
    endless = {}
    endless['model'] = endless
    assert unwrap(endless)[1].startswith('model, model')
