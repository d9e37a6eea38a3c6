"""A checkpoint that does not fit raises an error however it is loaded; MMEngine alone would only log it."""

import copy
import re

import pytest
import torch
from mmpose.registry import MODELS

from tests.unit.checkpoints.tiny_vits import build, build_vit, head, is_same
from vitpose_mm.checkpoints.validation import load_strictly


def init_from(file, **more):
    """Build a ViT and let MMEngine initialize it from a file."""
    model = build_vit(init_cfg=dict(type='Pretrained', checkpoint=str(file), **more))
    model.init_weights()
    return model


@pytest.fixture
def save(tmp_path):
    """A function that writes weights to a checkpoint file, as MAE's authors do, and returns its path."""

    def write(weights):
        torch.save({'model': weights, 'epoch': 1599}, tmp_path / 'weights.pth')
        return tmp_path / 'weights.pth'

    return write


@pytest.fixture
def pose_weights():
    return build(seed=1).state_dict()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(embed_dim=12), 'checkpoint has width 24, this model 12: choose the arch'),
        (dict(depth=3), 'checkpoint has depth 2, this model 3'),
        (dict(depth=1), 'checkpoint has depth 2, this model 1'),
        (dict(kind='SimpleHead'), r'fit this SimpleHead: 1 of a different shape \(final_layer.weight.*unexpected'),
    ],
)
def test_a_pose_model_of_another_size_is_refused(changes, message, pose_weights):
    model = build(**changes)
    for network in (model, copy.deepcopy(model)):  # a deep copy has load hooks of its own
        with pytest.raises(ValueError, match=message):
            load_strictly(network, pose_weights)


@pytest.mark.parametrize(
    ('part', 'message'),
    [
        ('backbone.patch_embed.proj.weight', r'does not fit this ViT: 1 missing \(patch_embed.proj.weight\)'),
        ('backbone.pos_embed', r'does not fit this ViT: 1 missing \(pos_embed\)'),
        ('backbone.last_norm', r'does not fit this ViT: 2 missing \(last_norm.weight, last_norm.bias\)'),
        ('backbone.layers.1.mlp', r'does not fit this ViT: 4 missing \(layers.1.mlp.fc1.weight, .*, ...\)'),
        ('backbone.', 'no checkpoint key matches backbone.: none has this prefix'),
        ('head.deconv_layers', r'does not fit this ClassicHead: 10 missing \(deconv_layers.0.weight'),
        ('head.deconv_layers.1.running_mean', r'does not fit this ClassicHead: 1 missing'),
        ('head.', r'does not fit this ClassicHead: 12 missing'),
    ],
)
def test_a_pose_model_with_missing_keys_is_refused(part, message, pose_weights):
    weights = {key: value for key, value in pose_weights.items() if not key.startswith(part)}
    with pytest.raises(ValueError, match=message):
        load_strictly(build(), weights)


@pytest.mark.parametrize(
    'key', ['blocks.0.norm1.weight', 'layers.0.ln1.weight', 'encoder.layer.0.layernorm_before.weight']
)
def test_the_error_names_the_prefix_for_every_origin(key, save):
    with pytest.raises(ValueError, match=r"its ViT has the prefix 'net.backbone.': load it with .*'net.backbone.'"):
        init_from(save({f'net.backbone.{key}': torch.zeros(24)}))


@pytest.mark.parametrize(
    ('prefix', 'wrong'),
    [('', 'backbone.'), ('backbone.', ''), ('backbone.', 'other.'), ('net.backbone.', ''), ('net.backbone.', 'net.')],
)
def test_the_line_in_the_message_works_for_the_file_at_hand(prefix, wrong, save):
    weights = build_vit().state_dict()
    file = save({prefix + key: value for key, value in weights.items()} | {'x': torch.zeros(1)} if prefix else weights)
    with pytest.raises(ValueError, match='init_cfg=dict') as raised:
        init_from(file, **(dict(prefix=wrong) if wrong else {}))
    line = re.search(r'init_cfg=dict(\(.*\))', str(raised.value))[1]
    model = build_vit(init_cfg=eval(f'dict{line}', dict(FILE=str(file))))
    model.init_weights()
    assert is_same(model.state_dict(), weights)


def test_init_cfg_of_a_head_is_checked(save, pose_weights):
    init_cfg = dict(type='Pretrained', checkpoint=str(save(pose_weights)), prefix='head.')
    model = MODELS.build(dict(head(), init_cfg=init_cfg))
    model.init_weights()
    assert torch.equal(model.final_layer.weight, pose_weights['head.final_layer.weight'])
    with pytest.raises(ValueError, match='predicts 3 keypoints, this head out_channels=4'):
        MODELS.build(dict(head(keypoints=4), init_cfg=init_cfg)).init_weights()


@pytest.mark.parametrize('kernel', [(8, 8), (32, 32), (14, 16)])
def test_patches_of_any_other_size_are_refused(kernel, save):
    weights = dict(build_vit().state_dict()) | {'patch_embed.proj.weight': torch.randn(24, 3, *kernel)}
    with pytest.raises(ValueError, match=f'has patches of {kernel[0]}x{kernel[1]} pixels, this model has 16x16'):
        init_from(save(weights))


@pytest.mark.parametrize(
    ('vit', 'others', 'message'),
    [
        (True, ['layers.0.attn.bias'], r'1 unexpected \(layers.0.attn.bias\)'),
        (False, ['conv1.weight', 'fc.bias'], 'no checkpoint key matches this ViT: its keys begin with conv1.weight'),
    ],
)
def test_other_keys_are_refused(vit, others, message, save):
    weights = dict(build_vit().state_dict()) if vit else {}
    with pytest.raises(ValueError, match=message):
        init_from(save(weights | {key: torch.zeros(1) for key in others}))


def test_the_message_names_the_first_three_keys():
    model = torch.nn.Linear(2, 2)  # a part without a check of its own
    weights = model.state_dict() | {f'more.{i}': torch.zeros(1) for i in range(4)}
    with pytest.raises(ValueError, match=r'^4 keys \(more.0, more.1, more.2, \.\.\.\) unexpected, 0 keys missing$'):
        load_strictly(model, weights)
    del weights['more.3'], weights['bias']
    with pytest.raises(ValueError, match=r'^3 keys \(more.0, more.1, more.2\) unexpected, 1 keys \(bias\) missing$'):
        load_strictly(model, weights)
