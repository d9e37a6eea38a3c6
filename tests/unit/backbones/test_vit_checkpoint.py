"""How a ViT reads a checkpoint: tables, tokens, metadata, messages; tests/unit/checkpoints has the formats."""

import numpy as np
import pytest
import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose_mm.backbones.token_file import write_token_file
from vitpose_mm.backbones.vit_checkpoint import possible_grids
from vitpose_mm.checkpoints.origins import FORMATS, IMAGE_GRIDS, POSE_GRIDS
from vitpose_mm.checkpoints.validation import init_pretrained, load_strictly


def build(dim=24, heads=2, img_size=(64, 48), depth=2, **changes):
    torch.manual_seed(0)
    arch = dict(depth=depth, embed_dim=dim, num_heads=heads)
    return MODELS.build(dict(type='ViT', arch=arch, img_size=img_size, **changes))


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


def changed_in(model):
    """The model with weights other than those that it was built with."""
    with torch.no_grad():
        for value in model.parameters():
            value += torch.rand_like(value)
    return model


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


@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16])
def test_what_is_adapted_is_not_rounded_to_the_half_precision_of_a_file(half):
    model, rounded = build(), build(attention='full')
    weights = {key: value.to(half) for key, value in dinov2(changed_in(build())).items()}
    weights['blocks.0.ls1.gamma'] = torch.full((24,), 1 / 3).to(half)
    model.load_state_dict(weights)
    rounded.load_state_dict({key: value.float() for key, value in weights.items()})
    for (key, found), expected in zip(model.state_dict().items(), rounded.state_dict().values(), strict=True):
        assert found.dtype == torch.float32 and torch.equal(found, expected), key


def test_kernels_of_14_pixels_are_kept_or_padded_and_larger_ones_are_refused():
    small = changed_in(build(patch_size=14, img_size=(56, 42)))
    again, large = build(patch_size=14, img_size=(56, 42)), build()
    kernel = small.patch_embed.proj.weight
    for model in (again, large):
        model.load_state_dict(timm_names(small.state_dict()))
    assert torch.equal(again.patch_embed.proj.weight, kernel)
    padded = large.patch_embed.proj.weight
    assert torch.equal(padded[:, :, 1:-1, 1:-1], kernel) and padded.count_nonzero() == kernel.count_nonzero()
    with pytest.raises(ValueError, match=r'patches of 16x16 pixels, this model has 14x14: .* set ViT\(patch_size=16\)'):
        load_strictly(again, large.state_dict())


def test_only_a_backbone_alone_may_lack_its_last_norm(logged):
    model = build()
    weights = {key: value for key, value in changed(model).items() if not key.startswith('last_norm')}
    model.load_state_dict(weights, strict=False)
    assert 'the checkpoint has no last norm: it starts with weight 1 and bias 0' in logged()
    assert model.last_norm.weight.eq(1).all() and model.last_norm.bias.eq(0).all()
    owner = torch.nn.ModuleDict({'backbone': build()})
    with pytest.raises(ValueError, match='last_norm'):
        load_strictly(owner, {f'backbone.{key}': value for key, value in weights.items()})


@pytest.mark.parametrize('prefix', ['', 'backbone.'])
@pytest.mark.parametrize('names', [dict, timm_names])
def test_the_first_blocks_of_a_deeper_file(prefix, names, logged):
    deep = changed_in(build(depth=5))
    model = build(init_blocks='first')
    torch.nn.init.normal_(model.last_norm.weight)
    owner = torch.nn.ModuleDict({'backbone': model}) if prefix else model
    missing, unexpected = owner.load_state_dict(
        {prefix + key: value for key, value in names(deep.state_dict()).items()}, strict=False
    )
    assert not missing and not unexpected
    for key, value in model.state_dict().items():
        fresh = torch.ones(24) if key == 'last_norm.weight' else torch.zeros(24)
        assert torch.equal(value, fresh if key.startswith('last_norm') else deep.state_dict()[key]), key
    line = "using the first 2 of the checkpoint's 5 blocks; the last norm, which belongs to its last block, starts"
    assert logged().count(line) == 1


def test_first_blocks_change_nothing_of_a_file_of_the_same_depth(logged):
    model, source = build(init_blocks='first'), changed_in(build())
    model.load_state_dict(source.state_dict())
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in model.state_dict().items())
    assert 'blocks of the checkpoint' not in logged()
    with pytest.raises(ValueError, match='has depth 2, this model 3: choose the arch'):
        load_strictly(build(depth=3, init_blocks='first'), source.state_dict())
    with pytest.raises(ValueError, match=r"has depth 3, this model 2: .*, or take its first blocks with .*'first'\)"):
        load_strictly(build(), build(depth=3).state_dict())


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
        load_strictly(model, weights)


def test_a_token_of_the_checkpoint_needs_one_in_the_model():
    weights = build(knowledge_token=dict(count=2, width=16)).state_dict()
    with pytest.raises(ValueError, match=r'set knowledge_token=dict\(count=2, width=16, frozen=True\)'):
        load_strictly(build(), weights)
    assert build().load_state_dict(weights, strict=False).unexpected_keys == [
        'knowledge_token.tokens',
        'knowledge_token.proj.weight',
        'knowledge_token.proj.bias',
    ]


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
            load_strictly(model, weights)
        return
    if length == 25:  # an extra slot comes first
        weights['pos_embed'] = torch.cat([torch.zeros(1, 1, 24), weights['pos_embed'][:, :24]], dim=1)
    model.load_state_dict(weights)
    table = model.pos_embed.detach().view(4, 3, 24)
    assert (table - table[:1]).abs().max() < 1e-5, 'rows and columns are mixed up'
    assert (table[0].diff(dim=0) > 0).all()


def test_the_grid_of_pretraining_is_that_of_the_files_patches():
    """As in DINOv2, whose 518x518 pixels are 37x37 patches, also for a model with patches of 16 pixels."""
    source = build(patch_size=14, img_size=(84, 56))
    size = dict(pretrain_img_size=(84, 56))
    for model in (build(**size), build(patch_size=14, img_size=(56, 42), **size)):
        model.load_state_dict(timm_names(source.state_dict()))
        assert model.pos_embed.shape == (1, 12, 24)


@pytest.mark.parametrize('names', [dict, timm_names])
def test_a_landscape_file_that_records_no_grid_needs_the_size_of_its_training(names):
    """192 positions are 16x12 in published files, and 12x16 in a model of 192x256 pixels."""
    wide = dict(img_size=(192, 256))
    source = changed_in(build(**wide))
    weights = names(source.state_dict())
    weights = {key: value for key, value in weights.items()}  # without metadata
    with pytest.raises(
        ValueError, match=r'192 entries: its grid can be (16x12 or 12x16|12x16 or 16x12) .*pretrain_img'
    ):
        load_strictly(build(**wide), dict(weights))
    assert build(**wide).load_state_dict(dict(weights), strict=False).missing_keys == ['pos_embed']
    model = build(**wide, pretrain_img_size=(192, 256))
    model.load_state_dict(dict(weights))
    assert torch.equal(model.pos_embed, source.pos_embed)
    build().load_state_dict(dict(weights))  # only the published grid fits: 4x3 is no candidate
    tall, upright = build(img_size=(256, 192)), build(**wide, pretrain_img_size=(256, 192))
    for each in (tall, upright):
        each.load_state_dict(dict(weights))
    assert torch.equal(tall.pos_embed, source.pos_embed) and not torch.equal(upright.pos_embed, source.pos_embed)


def test_a_recorded_grid_counts_more_than_the_size_of_pretraining():
    """A config with the size of its pre-trained ViT also tests the checkpoint that was trained with it."""
    model = build(img_size=(32, 160), pretrain_img_size=(224, 224))
    source = changed_in(build(img_size=(32, 160)))
    model.load_state_dict(source.state_dict())
    assert torch.equal(model.pos_embed, source.pos_embed)


def test_a_recorded_grid_is_used():
    source = MODELS.build(
        dict(type='ViT', arch=dict(depth=2, embed_dim=24, num_heads=2), img_size=(32, 160))
    ).state_dict()
    model = build()
    model.load_state_dict(source)
    assert model.pos_embed.shape == (1, 12, 24)
    with pytest.raises(ValueError, match='position table of 20 entries: its grid is none of 4x3'):
        load_strictly(model, dict(source))  # without metadata


@pytest.mark.parametrize('registers', [0, 4])
def test_tokens_beside_the_grid_become_knowledge_tokens(registers, logged):
    count = 1 + registers
    model = build(knowledge_token=dict(count=count, init='checkpoint'))
    model.load_state_dict(dinov2(build(), registers))
    assert model.knowledge_token.tokens[0, :, 5].tolist() == [1.5] + [2] * registers
    assert f'{count} tokens beside the grid (cls token, registers) become knowledge tokens' in logged()
    other = build(knowledge_token=dict(count=7, init='checkpoint'))
    with pytest.raises(ValueError, match=f'has {count} tokens beside the grid, this ViT 7: set .*count={count}, init='):
        load_strictly(other, dinov2(build(), registers))


@pytest.mark.parametrize('token', [None, dict(count=3)])
def test_registers_are_never_dropped_and_a_cls_token_is(token, logged):
    model = build(knowledge_token=token)
    with pytest.raises(ValueError, match='has 2 register tokens, .*count=3'):
        load_strictly(model, dinov2(build(), 2))
    left = model.load_state_dict(dinov2(build(), 2), strict=False).unexpected_keys
    assert set(left) == {'cls_token', 'register_tokens'}
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
            load_strictly(model, alone)


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


@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_another_number_of_heads_than_the_recorded_one_is_refused(prefix):
    """The weights would fit: the features would be others."""
    source, other = build(heads=2), build(heads=4)
    model = torch.nn.ModuleDict({'backbone': other}) if prefix else other
    weights = (torch.nn.ModuleDict({'backbone': source}) if prefix else source).state_dict()
    message = 'trained with 2 attention heads, this model has 4: set arch=dict.depth=2, embed_dim=24, num_heads=2'
    with pytest.raises(ValueError, match=message):
        load_strictly(model, weights)
    load_strictly(model, dict(weights))  # it is not recorded in every file


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

    def given(init_cfg):
        module = BaseModule(init_cfg)
        init_pretrained(module, lambda: None)
        return module.init_cfg

    others = [safe('torchvision://resnet50'), dict(type='Normal', std=0.1), None]
    own = [safe('a.pth'), safe('https://host/a.pth'), *others]
    found = given(own)
    assert found == [safe('vitpose-safe://a.pth'), safe('vitpose-safe://https://host/a.pth'), *others]
    assert own[0] == safe('a.pth')
    assert given(safe('a.pth')) == found[0]
    assert given(dict(type='Pretrained', checkpoint=3)) == dict(type='Pretrained', checkpoint=3)


def test_tokens_come_from_their_file(tmp_path):
    write_token_file(tmp_path / 'token.npz', torch.full((1, 24), 3.0), {})
    model = build(knowledge_token=dict(count=1, init=str(tmp_path / 'token.npz')))
    model.init_weights()
    assert np.all(model.knowledge_token.tokens.detach().numpy() == 3)
    with pytest.raises(FileNotFoundError, match='no such file'):
        build(knowledge_token=dict(count=1, init='missing.npz')).init_weights()


def test_knownpossible_grids_are_those_of_the_format():
    vit, timm = build(), next(each for each in FORMATS if each.name == 'timm')
    assert possible_grids(vit, None, None) == [(4, 3), *POSE_GRIDS]
    assert possible_grids(vit, timm, None) == [(4, 3), *IMAGE_GRIDS]


def test_init_cfg_with_a_prefix_knows_the_recorded_grid_and_experts(tmp_path):
    """MMEngine drops a state dict's metadata there, and experts would be matched by their order."""
    backbone = dict(type='ViT', arch=dict(depth=1, embed_dim=32, num_heads=2), img_size=(64, 48))
    experts = [dict(names=names, expert_dim=8) for names in (['aic', 'coco'], ['coco', 'aic'])]
    theirs = MODELS.build(dict(backbone, experts=experts[0]))
    with torch.no_grad():
        theirs.layers[0].mlp.experts.weight[0] = 1
    whole = torch.nn.Module()
    whole.backbone = theirs
    torch.save(dict(state_dict=whole.state_dict()), tmp_path / 'a.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth'), prefix='backbone.')
    ours = MODELS.build(dict(backbone, experts=experts[1], init_cfg=init_cfg))
    ours.init_weights()
    assert (ours.layers[0].mlp.experts.weight[1] == 1).all() and not (ours.layers[0].mlp.experts.weight[0] == 1).all()


def test_a_cls_token_of_another_width_is_refused_with_both_widths():
    theirs = MODELS.build(dict(type='ViT', arch=dict(depth=1, embed_dim=64, num_heads=2), img_size=(64, 48)))
    ours = MODELS.build(dict(type='ViT', arch=dict(depth=1, embed_dim=48, num_heads=2), img_size=(64, 48)))
    with pytest.raises(ValueError, match='width 64, this model 48'):
        load_strictly(ours, {**theirs.state_dict(), 'cls_token': torch.zeros(1, 1, 64)})
