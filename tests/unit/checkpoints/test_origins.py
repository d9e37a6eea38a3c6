"""Recognising who wrote a checkpoint, and opening what is around it."""

from collections import OrderedDict

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose_mm.checkpoints.origins import FORMATS, recognize, unwrap
from vitpose_mm.checkpoints.validation import load_strictly

ONE = torch.zeros(1)
BLOCK = 'blocks.0.norm1.weight'


@pytest.mark.parametrize(
    ('keys', 'name', 'prefix'),
    [
        (['backbone.layers.0.norm1.weight', 'head.final_layer.weight'], 'ours', 'backbone.'),
        (['layers.0.norm1.weight'], 'ours', ''),
        (['backbone.layers.0.norm1.weight', 'head.heads.coco.final_layer.weight'], 'ours', 'backbone.'),
        (['backbone.layers.0.norm1.weight', 'backbone.layers.0.mlp.experts.weight'], 'ours', 'backbone.'),
        (['backbone.layers.0.norm1.weight', 'decoder.pos_embed', 'decoder.layers.0.norm1.weight'], 'ours-mae', ''),
        ([f'backbone.{BLOCK}', 'keypoint_head.final_layer.weight'], 'authors', 'backbone.'),
        ([f'backbone.{BLOCK}', 'associate_keypoint_heads.0.final_layer.bias'], 'authors', 'backbone.'),
        ([f'backbone.{BLOCK}', 'backbone.blocks.0.mlp.experts.0.weight'], 'authors', 'backbone.'),
        (['backbone.layers.0.ln1.weight'], 'mmpose', 'backbone.'),
        (['backbone.layers.0.ln1.weight', 'backbone.cls_token'], 'mmpretrain', 'backbone.'),
        (['backbone.encoder.layer.0.layernorm_before.weight', 'head.conv.weight'], 'transformers', 'backbone.'),
        (
            ['backbone.encoder.layer.0.layernorm_before.weight', 'backbone.encoder.layer.0.mlp.experts.0.weight'],
            'transformers',
            'backbone.',
        ),
        (['vit.encoder.layer.0.layernorm_before.weight', 'vit.embeddings.cls_token', 'decoder.x'], 'vitmae', ''),
        (['encoder.layer.0.layernorm_before.weight', 'embeddings.cls_token'], 'vit-transformers', ''),
        (['cls_token', BLOCK], 'mae', ''),
        (['cls_token', BLOCK, 'mask_token', 'decoder_blocks.0.norm1.weight'], 'mae-full', ''),
        (['cls_token', BLOCK, 'head.weight'], 'timm', ''),
        (['cls_token', BLOCK, 'blocks.0.ls1.gamma', 'register_tokens'], 'dinov2', ''),
        (['encoder.layer.0.norm1.weight', 'encoder.layer.0.layer_scale1.lambda1'], 'dinov2-transformers', ''),
    ],
)
def test_each_origin_is_recognised_with_its_reason(keys, name, prefix):
    origin = recognize(dict.fromkeys(keys, ONE))
    assert (origin.format.name, origin.prefix) == (name, prefix)
    assert origin.reason.startswith('it has ') and any(key in origin.reason for key in keys)
    shuffled = recognize(dict.fromkeys(reversed([*keys, 'optimizer.x']), ONE))
    assert shuffled.format.name == name


def test_every_format_is_tested_and_named_once():
    names = [form.name for form in FORMATS]
    assert len(set(names)) == len(names) == 13


def test_other_files_are_not_recognised():
    assert recognize({'conv1.weight': ONE, 'xblocks.0.norm1.weight': ONE}) is None
    assert recognize({f'backbone.{BLOCK}': ONE}, '') is None


@pytest.mark.parametrize(
    ('wrap', 'opened'),
    [
        (lambda weights: weights, ''),
        (lambda weights: dict(state_dict=weights, meta={}), 'state_dict'),
        (lambda weights: dict(model=weights, epoch=1), 'model'),
        (lambda weights: dict(module=weights), 'module'),  # DeepSpeed
        (lambda weights: dict(state_dict={'x': ONE}, state_dict_ema=weights), 'state_dict_ema'),
        (
            lambda weights: dict(ema_state_dict={'steps': ONE, **{f'module.{k}': v for k, v in weights.items()}}),
            'ema_state_dict, module.',
        ),
        (lambda weights: {f'module.{key}': value for key, value in weights.items()}, 'module.'),
        (lambda weights: {f'_orig_mod.module.{key}': value for key, value in weights.items()}, 'module., _orig_mod.'),
        (lambda weights: {k.replace('a.', 'a._orig_mod.'): v for k, v in weights.items()}, '_orig_mod.'),
        (lambda weights: dict(model=dict(state_dict=weights)), 'model, state_dict'),
    ],
)
def test_wrappers_are_opened(wrap, opened):
    weights = {'a.weight': ONE, 'b.module.bias': ONE}
    found, names = unwrap(wrap(weights))
    assert list(found) == list(weights) and names == opened


def test_the_average_of_mmengine_is_read():
    """Its hook exchanges the two: `state_dict` holds the averaged weights."""
    assert unwrap(dict(state_dict={'a': ONE}, ema_state_dict={'module.b': ONE}))[0] == {'a': ONE}


def test_unwrapping_keeps_the_metadata():
    weights = OrderedDict({'module.a.weight': ONE})
    weights._metadata = {'': {'version': 1}, 'module.a': {'version': 2}}
    assert unwrap(dict(state_dict=weights))[0]._metadata == {'': {'version': 1}, 'a': {'version': 2}}


def test_other_content_stays():
    assert unwrap([1]) == ([1], '') and unwrap({}) == ({}, '')
    own = {}
    own['model'] = own
    assert unwrap(own)[1].startswith('model, model')


ARCH = dict(depth=2, embed_dim=24, num_heads=2)


def vit(**changes):
    return MODELS.build(dict(type='ViT', arch=ARCH, img_size=(64, 48), **changes))


def with_tokens(weights, registers):
    """A DINOv2 file of a ViT's weights: cls token with a position, registers without."""
    named = {key.replace('layers.', 'blocks.').replace('last_norm', 'norm'): value for key, value in weights.items()}
    named |= {'cls_token': torch.ones(1, 1, 24), 'mask_token': torch.zeros(1, 24)}
    named['pos_embed'] = torch.cat([torch.full((1, 1, 24), 0.5), named['pos_embed']], dim=1)
    return named | ({'register_tokens': torch.zeros(1, registers, 24)} if registers else {})


def test_registers_are_refused_or_kept():
    """Without them attention would compute something else."""
    source = vit().state_dict()
    named = with_tokens(source, 4) | {'blocks.0.ls1.gamma': torch.ones(24)}
    with pytest.raises(ValueError, match="4 register tokens, which take part in .*count=5, init='checkpoint'"):
        load_strictly(vit(), named)
    with pytest.raises(ValueError, match='has 5 tokens beside the grid, this ViT 2: set knowledge_token'):
        load_strictly(vit(knowledge_token=dict(count=2, init='checkpoint')), named)
    model = vit(knowledge_token=dict(count=5, init='checkpoint'))
    model.init_weights()
    model.load_state_dict(named)
    assert model.knowledge_token.tokens[0, :, 0].tolist() == [1.5, 0, 0, 0, 0]
    assert torch.equal(model.pos_embed, source['pos_embed'])


def test_a_cls_token_is_dropped_and_the_log_says_so(logged):
    model = vit(knowledge_token=dict(count=1))
    tokens = model.knowledge_token.tokens.clone()
    model.load_state_dict(with_tokens(vit().state_dict(), 0), strict=False)
    assert torch.equal(model.knowledge_token.tokens, tokens)
    assert 'the cls token is dropped' in logged()


def test_the_number_of_heads_of_other_libraries_is_questioned(logged):
    wide = MODELS.build(dict(type='ViT', arch=dict(depth=1, embed_dim=128, num_heads=4), img_size=(64, 48)))
    named = {key.replace('layers.', 'blocks.'): value for key, value in wide.state_dict().items()}
    named = {key.replace('last_norm', 'norm'): value for key, value in named.items()}
    wide.load_state_dict(named)
    assert 'attention heads' not in logged()
    wide.load_state_dict(named | {'cls_token': torch.zeros(1, 1, 128), 'head.weight': torch.zeros(1, 128)})
    assert 'usually has 2 attention heads, this one 4' in logged()
