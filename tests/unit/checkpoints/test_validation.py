"""A checkpoint that does not fit raises an error however it is loaded; MMEngine alone would only log it."""

import copy
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose_mm.checkpoints.validation import load_strictly

HEADS = {
    'ClassicHead': dict(type='ClassicHead', in_channels=24, out_channels=3, deconv_channels=8),
    'SimpleHead': dict(type='SimpleHead', in_channels=24, out_channels=3),
}


def vit(depth=2, embed_dim=24, **changes):
    return dict(type='ViT', arch=dict(depth=depth, embed_dim=embed_dim, num_heads=2), img_size=(64, 48), **changes)


def estimator(head='ClassicHead', **changes):
    return dict(
        type='TopdownPoseEstimator',
        backbone=vit(**changes),
        head=dict(HEADS[head], in_channels=changes.get('embed_dim', 24)),
    )


def init_from(file, **more):
    """Build a ViT and let MMEngine initialise it from a file."""
    model = MODELS.build(vit(init_cfg=dict(type='Pretrained', checkpoint=str(file), **more)))
    model.init_weights()
    return model


@pytest.fixture
def save(tmp_path):
    """A function that writes weights to a checkpoint file, as MMEngine would, and returns its path."""

    def write(weights):
        torch.save({'state_dict': weights}, tmp_path / 'weights.pth')
        return tmp_path / 'weights.pth'

    return write


@pytest.fixture
def pose_weights():
    torch.manual_seed(1)
    return MODELS.build(estimator()).state_dict()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(embed_dim=12), 'checkpoint has width 24, this model 12: choose the arch'),
        (dict(depth=3), 'checkpoint has depth 2, this model 3'),
        (dict(depth=1), 'checkpoint has depth 2, this model 1'),
        (dict(head='SimpleHead'), r'fit this SimpleHead: 1 of a different shape \(final_layer.weight.*unexpected'),
    ],
)
def test_a_pose_model_of_another_size_is_refused(changes, message, pose_weights):
    with pytest.raises(ValueError, match=message):
        load_strictly(MODELS.build(estimator(**changes)), pose_weights)


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
    for key in [key for key in pose_weights if key.startswith(part)]:
        del pose_weights[key]
    with pytest.raises(ValueError, match=message):
        load_strictly(MODELS.build(estimator()), pose_weights)


def test_a_backbone_loads_from_a_pose_checkpoint_only_with_its_prefix(save, pose_weights):
    file = save(pose_weights)
    with pytest.raises(ValueError, match=r"its ViT has the prefix 'backbone.': load it with .*prefix='backbone.'"):
        init_from(file)
    for key, value in init_from(file, prefix='backbone.').state_dict().items():
        assert torch.equal(value, pose_weights['backbone.' + key])


@pytest.mark.parametrize(
    'key', ['blocks.0.norm1.weight', 'layers.0.ln1.weight', 'encoder.layer.0.layernorm_before.weight']
)
def test_the_error_names_the_prefix_for_every_origin(key, save):
    with pytest.raises(ValueError, match=r"its ViT has the prefix 'net.backbone.'"):
        init_from(save({f'net.backbone.{key}': torch.zeros(24)}))


@pytest.mark.parametrize(
    ('prefix', 'wrong'),
    [('', 'backbone.'), ('backbone.', ''), ('backbone.', 'other.'), ('net.backbone.', ''), ('net.backbone.', 'net.')],
)
def test_the_line_in_the_message_works_for_the_file_at_hand(prefix, wrong, save):
    weights = MODELS.build(vit()).state_dict()
    file = save({prefix + key: value for key, value in weights.items()})
    with pytest.raises(ValueError, match='init_cfg=dict') as raised:
        init_from(file, **(dict(prefix=wrong) if wrong else {}))
    line = re.search(r'init_cfg=(dict\(.*\))', str(raised.value))[1]
    model = MODELS.build(vit(init_cfg=eval(line, dict(FILE=str(file)))))
    model.init_weights()
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_init_cfg_of_a_head_is_checked(save, pose_weights):
    def head(**changes):
        init_cfg = dict(type='Pretrained', checkpoint=str(save(pose_weights)), prefix='head.')
        return MODELS.build(dict(HEADS['ClassicHead'], init_cfg=init_cfg, **changes))

    model = head()
    model.init_weights()
    assert torch.equal(model.final_layer.weight, pose_weights['head.final_layer.weight'])
    with pytest.raises(ValueError, match='predicts 3 keypoints, this head out_channels=4'):
        head(out_channels=4).init_weights()


def test_a_checkpoint_of_another_architecture_is_refused(save):
    with pytest.raises(ValueError, match='no checkpoint key matches this ViT: its keys begin with conv1.weight'):
        init_from(save({'conv1.weight': torch.zeros(1), 'fc.bias': torch.zeros(1)}))


def as_mae(weights, kernel):
    """A ViT's weights under the keys of an MAE checkpoint, with a random patch kernel of the given size."""
    names = {key.replace('layers.', 'blocks.').replace('last_norm', 'norm'): value for key, value in weights.items()}
    names['pos_embed'] = torch.cat([torch.zeros(1, 1, 24), weights['pos_embed']], dim=1)
    return names | {'patch_embed.proj.weight': torch.randn(24, 3, *kernel), 'cls_token': torch.zeros(1, 1, 24)}


def test_patches_of_14_are_padded_to_16(save):
    torch.manual_seed(0)
    weights = as_mae(MODELS.build(vit()).state_dict(), (14, 14))
    model, image = init_from(save(weights)), torch.randn(1, 3, 64, 48)
    # the oracle: a 14x14 kernel needs one pixel less padding than a 16x16 kernel
    expected = F.conv2d(image, weights['patch_embed.proj.weight'], weights['patch_embed.proj.bias'], 16, padding=1)
    torch.testing.assert_close(model.patch_embed(image), expected.permute(0, 2, 3, 1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('kernel', [(8, 8), (32, 32), (14, 16)])
def test_patches_of_any_other_size_are_refused(kernel, save):
    with pytest.raises(ValueError, match=f'has patches of {kernel[0]}x{kernel[1]} pixels, this model has 16x16'):
        init_from(save(as_mae(MODELS.build(vit()).state_dict(), kernel)))


def test_unexpected_keys_are_refused(save, pose_weights):
    weights = {key.removeprefix('backbone.'): value for key, value in pose_weights.items() if 'backbone' in key}
    with pytest.raises(ValueError, match=r'1 unexpected \(layers.0.attn.bias\)'):
        init_from(save(weights | {'layers.0.attn.bias': torch.zeros(1)}))


def test_a_backbone_checkpoint_may_lack_the_last_norm(save, logged):
    weights = as_mae(MODELS.build(vit()).state_dict(), (16, 16))
    del weights['norm.weight'], weights['norm.bias']
    assert init_from(save(weights)).last_norm.weight.tolist() == [1] * 24
    assert 'the checkpoint has no last norm: it starts with weight 1 and bias 0' in logged()


def test_a_checkpoint_may_lack_the_knowledge_token(pose_weights):
    model = MODELS.build(estimator(knowledge_token=dict(count=1)))
    assert model.load_state_dict(pose_weights, strict=False).missing_keys == ['backbone.knowledge_token.tokens']


def test_a_deep_copy_loads_checkpoints_like_the_model(pose_weights):
    model = copy.deepcopy(MODELS.build(estimator()))
    model.load_state_dict(pose_weights)
    assert torch.equal(model.backbone.pos_embed, pose_weights['backbone.pos_embed'])
    with pytest.raises(ValueError, match='depth 2, this model 3'):
        load_strictly(copy.deepcopy(MODELS.build(estimator(depth=3))), pose_weights)


def test_code_in_a_file_of_init_cfg_is_not_run(tmp_path, pose_weights):
    class Attack:
        def __reduce__(self):
            return Path.touch, (tmp_path / 'it_ran',)

    file = tmp_path / 'bad.pth'
    torch.save(dict(state_dict=pose_weights, meta=Attack()), file)
    with pytest.raises(ValueError, match=r'bad\.pth holds pathlib\.\S*Path, so reading it could run code'):
        init_from(file, prefix='backbone.')
    assert not (tmp_path / 'it_ran').exists()
    torch.load(file, weights_only=False)
    assert (tmp_path / 'it_ran').exists()


def test_the_message_names_the_first_three_keys():
    model = torch.nn.Linear(2, 2)  # a part without a check of its own
    weights = model.state_dict() | {f'more.{i}': torch.zeros(1) for i in range(4)}
    with pytest.raises(ValueError, match=r'^4 keys \(more.0, more.1, more.2, \.\.\.\) unexpected, 0 keys missing$'):
        load_strictly(model, weights)
    del weights['more.3'], weights['bias']
    with pytest.raises(ValueError, match=r'^3 keys \(more.0, more.1, more.2\) unexpected, 1 keys \(bias\) missing$'):
        load_strictly(model, weights)
