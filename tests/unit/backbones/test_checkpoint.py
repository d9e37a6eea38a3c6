"""How a ViT reads a checkpoint: tables, tokens, metadata, messages; tests/unit/checkpoints has the formats."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose_mm.backbones.checkpoint import _grids, read_safely
from vitpose_mm.checkpoints.formats import FORMATS, IMAGE_GRIDS, POSE_GRIDS
from vitpose_mm.checkpoints.token_file import write_token


def build(dim=24, heads=2, **changes):
    torch.manual_seed(0)
    arch = dict(depth=2, embed_dim=dim, num_heads=heads)
    return MODELS.build(dict(type='ViT', arch=arch, img_size=(64, 48), **changes))


def timm_names(weights):
    return {key.replace('layers.', 'blocks.').replace('last_norm', 'norm'): value for key, value in weights.items()}


def dinov2(model, registers=0):
    """The weights in DINOv2's names, with a cls token of ones whose position is 0.5, and registers of twos."""
    dim = model.embed_dim
    named = timm_names(model.state_dict()) | {'cls_token': torch.ones(1, 1, dim), 'mask_token': torch.zeros(1, dim)}
    named['pos_embed'] = torch.cat([torch.full((1, 1, dim), 0.5), named['pos_embed']], dim=1)
    named |= {'blocks.0.ls1.gamma': torch.full((dim,), 2.0)}
    return named | ({'register_tokens': torch.full((1, registers, dim), 2.0)} if registers else {})


def changed(model):
    """The model's weights, other than those that it was built with."""
    return {key: value + 1 if value.is_floating_point() else value for key, value in model.state_dict().items()}


def test_a_state_dict_records_grid_and_experts():
    plain, experts = build().state_dict(), build(experts=dict(names=['coco', 'aic'], expert_dim=8)).state_dict()
    assert plain._metadata['']['grid'] == (4, 3) and 'experts' not in plain._metadata['']
    assert experts._metadata['']['grid'] == (4, 3) and experts._metadata['']['experts'] == ('coco', 'aic')


def test_recorded_experts_are_loaded_by_name():
    names = ['coco', 'aic']
    source = build(experts=dict(names=names, expert_dim=8))
    turned = build(experts=dict(names=names[::-1], expert_dim=8))
    with torch.no_grad():
        for number in range(2):
            source.layers[0].mlp.experts.weight[number] = number + 1
    turned.load_state_dict(source.state_dict())
    for number in range(2):
        assert (turned.layers[0].mlp.experts.weight[number] == 2 - number).all()


@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_weights_reach_the_module_under_its_prefix(prefix):
    model = build()
    owner = torch.nn.ModuleDict({'backbone': model}) if prefix else model
    weights = changed(model)
    owner.load_state_dict({prefix + key: value for key, value in timm_names(weights).items()})
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_layer_scales_are_folded_into_the_projection():
    model = build()
    before = model.layers[0].attn.proj.weight.clone()
    model.load_state_dict(dinov2(model))
    torch.testing.assert_close(model.layers[0].attn.proj.weight, 2 * before)


def test_only_a_backbone_alone_may_lack_its_last_norm(logged):
    model = build()
    weights = {key: value for key, value in changed(model).items() if not key.startswith('last_norm')}
    model.load_state_dict(weights, strict=False)
    assert 'the checkpoint has no last norm: it starts with weight 1 and bias 0' in logged()
    assert model.last_norm.weight.eq(1).all() and model.last_norm.bias.eq(0).all()
    owner = torch.nn.ModuleDict({'backbone': build()})
    with pytest.raises(ValueError, match='last_norm'):
        owner.load_state_dict({f'backbone.{key}': value for key, value in weights.items()}, strict=False)


def test_a_whole_checkpoint_says_nothing_of_a_last_norm(logged):
    model = build()
    model.load_state_dict(model.state_dict())
    assert 'last norm' not in logged()


def test_a_missing_weight_is_refused_but_not_a_missing_token():
    model = build(knowledge_token=dict(count=1))
    weights = build().state_dict()
    model.load_state_dict(weights, strict=False)
    del weights['layers.1.attn.qkv.bias']
    with pytest.raises(ValueError, match=r'layers\.1\.attn\.qkv\.bias'):
        model.load_state_dict(weights, strict=False)


def test_a_token_of_the_checkpoint_needs_one_in_the_model():
    weights = build(knowledge_token=dict(count=2, width=16)).state_dict()
    with pytest.raises(ValueError, match=r'set knowledge_token=dict\(count=2, width=16, frozen=True\)'):
        build().load_state_dict(weights, strict=False)


@pytest.mark.parametrize(
    ('pretrained', 'length', 'found'),
    [((96, 64), 24, True), ((96, 64), 96, True), ((64, 96), 24, True), ((96, 64), 25, True), ((96, 64), 35, False)],
)
def test_the_grid_of_pretraining_is_that_of_both_strides(pretrained, length, found):
    model = build(pretrain_img_size=pretrained)
    weights = dict(model.state_dict())
    columns = pretrained[1] // 16 * (2 if length == 96 else 1)
    ramp = torch.arange(columns).float().repeat(length // columns + 1)[:length]
    weights['pos_embed'] = ramp[None, :, None].expand(1, length, 24).clone()
    if not found:
        with pytest.raises(ValueError, match='position table of 35 entries: its grid is none of 6x4, 12x8'):
            model.load_state_dict(weights)
        return
    if length == 25:  # an extra slot comes first
        weights['pos_embed'] = torch.cat([torch.zeros(1, 1, 24), weights['pos_embed'][:, :24]], dim=1)
    model.load_state_dict(weights)
    table = model.pos_embed.detach().view(4, 3, 24)
    assert (table - table[:1]).abs().max() < 1e-5, 'rows and columns are mixed up'
    assert (table[0].diff(dim=0) > 0).all()


def test_a_recorded_grid_is_used():
    source = MODELS.build(
        dict(type='ViT', arch=dict(depth=2, embed_dim=24, num_heads=2), img_size=(32, 160))
    ).state_dict()
    model = build()
    model.load_state_dict(source)
    assert model.pos_embed.shape == (1, 12, 24)
    with pytest.raises(ValueError, match='position table of 20 entries: its grid is none of 4x3'):
        model.load_state_dict(dict(source))  # without metadata


@pytest.mark.parametrize('registers', [0, 4])
def test_tokens_beside_the_grid_become_knowledge_tokens(registers, logged):
    count = 1 + registers
    model = build(knowledge_token=dict(count=count, init='checkpoint'))
    model.load_state_dict(dinov2(build(), registers))
    assert model.knowledge_token.tokens[0, :, 5].tolist() == [1.5] + [2] * registers
    assert f'{count} tokens beside the grid (cls token, registers) become knowledge tokens' in logged()
    other = build(knowledge_token=dict(count=7, init='checkpoint'))
    with pytest.raises(ValueError, match=f'has {count} tokens beside the grid, this ViT 7: set .*count={count}, init='):
        other.load_state_dict(dinov2(build(), registers))


@pytest.mark.parametrize('token', [None, dict(count=3)])
def test_registers_are_never_dropped_and_a_cls_token_is(token, logged):
    model = build(knowledge_token=token)
    with pytest.raises(ValueError, match='has 2 register tokens, .*count=3'):
        model.load_state_dict(dinov2(build(), 2), strict=False)
    before = model.pos_embed.clone()
    model.load_state_dict(dinov2(build()), strict=False)
    assert (
        'the cls token is dropped, so the features differ from those of the original; knowledge_token=dict(count=1'
        in (logged())
    )
    assert torch.equal(model.pos_embed, before)  # its slot belongs to the token
    if token:
        alone = {key: value for key, value in dinov2(build()).items() if key != 'cls_token'}
        alone['register_tokens'] = torch.ones(1, 2, 24)
        with pytest.raises(ValueError, match='has 1 register tokens'):
            model.load_state_dict(alone, strict=False)


def test_the_usual_number_of_heads(logged):
    for dim, heads, expected in ((128, 2, False), (128, 4, True)):
        model = build(dim, heads)
        model.load_state_dict(dinov2(model))
        assert (
            'usually has 2 attention heads, this one 4: set arch=dict(depth=2, embed_dim=128' in logged()
        ) == expected
    assert 'WARNING' in logged()
    model.load_state_dict(model.state_dict())
    assert logged().count('attention heads') == 1  # our own files are not questioned


def test_relative_position_tables_are_resized_dropped_and_made(logged):
    layout = dict(window_size=(2, 3), rel_pos='decomposed')
    small, large = build(attention=layout), build(attention=dict(layout, window_size=(4, 3)))
    name = 'layers.0.attn.rel_pos.rel_pos_h'
    weights = small.state_dict()
    weights[name] = torch.arange(3.0)[:, None].expand(3, 12).clone()
    large.load_state_dict(weights)
    expected = torch.nn.functional.interpolate(torch.arange(3.0)[None, None], size=7, mode='linear')[0, 0]
    torch.testing.assert_close(large.state_dict()[name][:, 4], expected)
    large.load_state_dict(build().state_dict())
    assert not large.state_dict()[name].any()
    assert 'dropped' not in logged()
    build().load_state_dict(weights)
    assert 'dropped 4 relative position tables of the checkpoint' in logged()


def test_files_and_web_addresses_of_init_cfg_are_read_safely():
    def safe(file):
        return dict(type='Pretrained', checkpoint=file, prefix='backbone.')

    found = read_safely(
        [safe('a.pth'), safe('https://host/a.pth'), safe('torchvision://resnet50'), dict(type='Normal', std=0.1), None]
    )
    assert found[0]['checkpoint'].endswith('a.pth') and found[0]['checkpoint'] != 'a.pth'
    assert found[0]['prefix'] == 'backbone.' and found[0]['type'] == 'Pretrained'
    assert found[1]['checkpoint'] == 'vitpose-safe://https://host/a.pth'
    assert found[2:] == [safe('torchvision://resnet50'), dict(type='Normal', std=0.1), None]
    assert read_safely(safe('a.pth')) == found[0]
    assert read_safely(dict(type='Pretrained', checkpoint=3)) == dict(type='Pretrained', checkpoint=3)


def test_tokens_come_from_their_file(tmp_path):
    write_token(tmp_path / 'token.npz', torch.full((1, 24), 3.0), {})
    model = build(knowledge_token=dict(count=1, init=str(tmp_path / 'token.npz')))
    model.init_weights()
    assert np.all(model.knowledge_token.tokens.detach().numpy() == 3)
    with pytest.raises(FileNotFoundError, match='no such file'):
        build(knowledge_token=dict(count=1, init='missing.npz')).init_weights()


def test_known_grids_are_those_of_the_format():
    vit, timm = build(), next(each for each in FORMATS if each.name == 'timm')
    assert _grids(vit, None, None) == [(4, 3), *POSE_GRIDS]
    assert _grids(vit, timm, None) == [*IMAGE_GRIDS, (4, 3)]
