"""How a ViT reads a checkpoint: tables, tokens, metadata, messages; tests/unit/checkpoints has the formats."""

import re
from functools import partial

import pytest
import torch
from mmengine.model import BaseModule

from tests.unit.backbones import small_vit
from tests.unit.checkpoints.tiny_vits import is_same, timm_names
from vitpose_mm.checkpoints.mmengine_loading import init_pretrained
from vitpose_mm.checkpoints.origins import FORMATS, IMAGE_GRIDS, POSE_GRIDS
from vitpose_mm.checkpoints.validation import load_strictly
from vitpose_mm.networks.vit_checkpoint import possible_grids

build = partial(small_vit.build, depth=2, dim=24, heads=2)


def dinov2(model, registers=0):
    """The weights in DINOv2's names, with a cls token of ones whose position is 0.5, and registers of twos."""
    dim = model.embed_dim
    named = timm_names(model.state_dict()) | {'cls_token': torch.ones(1, 1, dim), 'mask_token': torch.zeros(1, dim)}
    named['pos_embed'] = torch.cat([torch.full((1, 1, dim), 0.5), named['pos_embed']], dim=1)
    named |= {'blocks.0.ls1.gamma': torch.full((dim,), 2.0)}
    return named | ({'register_tokens': torch.full((1, registers, dim), 2.0)} if registers else {})


def build_trained(**changes):
    """A model with weights other than those that `build` gives it."""
    model = build(**changes)
    with torch.no_grad():
        for value in model.parameters():
            value += torch.rand_like(value)
    return model


def prefixed(model, prefix):
    return torch.nn.ModuleDict({'backbone': model}) if prefix else model


prefixes = pytest.mark.parametrize('prefix', ['', 'backbone.'])


@pytest.mark.parametrize('read', [True, False])
def test_recorded_experts_are_loaded_by_name(read, tmp_path):
    """Also by `init_cfg` with a prefix, where MMEngine drops a state dict's metadata."""
    source = build_trained(experts=dict(names=['coco', 'aic'], expert_dim=8))
    torch.save(dict(state_dict=prefixed(source, 'backbone.').state_dict()), tmp_path / 'a.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth'), prefix='backbone.')
    model = build(experts=dict(names=['aic', 'coco'], expert_dim=8), init_cfg=init_cfg)
    model.init_weights() if read else model.load_state_dict(source.state_dict())
    assert torch.equal(model.layers[0].mlp.experts.weight, source.layers[0].mlp.experts.weight.flip(0))


def test_what_the_file_of_init_cfg_records_is_not_assumed_of_the_next_file(tmp_path):
    source = build(img_size=(64, 64))
    torch.save(dict(state_dict=source.state_dict()), tmp_path / 'a.pth')
    model = build(img_size=(64, 48), init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth')))
    model.init_weights()
    load_strictly(model, dict(build(img_size=(64, 48)).state_dict()))


@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16])
def test_what_is_adapted_is_not_rounded_to_the_half_precision_of_a_file(half):
    model, exact = build(), build()
    weights = {key: value.to(half) for key, value in dinov2(build_trained()).items()}
    weights['blocks.0.ls1.gamma'] = torch.full((24,), 1 / 3).to(half)
    model.load_state_dict(weights)
    exact.load_state_dict({key: value.float() for key, value in weights.items()})
    assert is_same(model.state_dict(), exact.state_dict())
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())


def test_kernels_of_14_pixels_are_kept_or_padded_and_larger_ones_are_refused():
    small = build_trained(patch_size=14, img_size=(56, 42))
    same, large = build(patch_size=14, img_size=(56, 42)), build()
    kernel = small.patch_embed.proj.weight
    for model in (same, large):
        model.load_state_dict(timm_names(small.state_dict()))
    assert torch.equal(same.patch_embed.proj.weight, kernel)
    padded = large.patch_embed.proj.weight
    assert torch.equal(padded[:, :, 1:-1, 1:-1], kernel) and padded.count_nonzero() == kernel.count_nonzero()
    with pytest.raises(ValueError, match=r'patches of 16x16 pixels, this model has 14x14: .* set ViT\(patch_size=16\)'):
        load_strictly(same, large.state_dict())


def test_only_a_backbone_alone_may_lack_its_last_norm(logged):
    model, weights = build(), build_trained().state_dict()
    model.load_state_dict(weights)
    assert 'last norm' not in logged()
    weights = {key: value for key, value in weights.items() if not key.startswith('last_norm')}
    fresh = build()
    fresh.load_state_dict(weights, strict=False)
    assert 'the checkpoint has no last norm: it starts with weight 1 and bias 0' in logged()
    assert fresh.last_norm.weight.eq(1).all() and fresh.last_norm.bias.eq(0).all()
    with pytest.raises(ValueError, match='last_norm'):
        load_strictly(prefixed(build(), 'backbone.'), {f'backbone.{key}': value for key, value in weights.items()})


@prefixes
@pytest.mark.parametrize('names', [dict, timm_names])
def test_the_first_blocks_of_a_deeper_file(prefix, names, logged):
    deep = build_trained(depth=5).state_dict()
    model = build(init_blocks='first')
    torch.nn.init.normal_(model.last_norm.weight)
    weights = {prefix + key: value for key, value in names(deep).items()}
    missing, unexpected = prefixed(model, prefix).load_state_dict(weights, strict=False)
    assert not missing and not unexpected
    deep |= {'last_norm.weight': torch.ones(24), 'last_norm.bias': torch.zeros(24)}
    assert all(torch.equal(value, deep[key]) for key, value in model.state_dict().items())
    line = "using the first 2 of the checkpoint's 5 blocks; the last norm, which belongs to its last block, starts"
    assert logged().count(line) == 1


def test_first_blocks_change_nothing_of_a_file_of_the_same_depth(logged):
    model, source = build(init_blocks='first'), build_trained()
    model.load_state_dict(source.state_dict())
    assert is_same(model.state_dict(), source.state_dict()) and 'using the first' not in logged()
    with pytest.raises(ValueError, match='has depth 2, this model 3: choose the arch'):
        load_strictly(build(depth=3, init_blocks='first'), source.state_dict())
    with pytest.raises(ValueError, match=r"has depth 3, this model 2: .*, or take its first blocks with .*'first'\)"):
        load_strictly(build(), build(depth=3).state_dict())


def test_a_token_of_the_checkpoint_needs_one_in_the_model_but_not_the_other_way_round():
    model = build(knowledge_token=dict(count=1))
    model.load_state_dict(build().state_dict(), strict=False)
    assert model.load_problem == ''
    weights = build(knowledge_token=dict(count=2, width=16)).state_dict()
    message = r'has a knowledge token, this ViT none: set knowledge_token=dict\(count=2, width=16, frozen=True\)'
    with pytest.raises(ValueError, match=message):
        load_strictly(build(), weights)
    left = build().load_state_dict(weights, strict=False).unexpected_keys
    assert left == [f'knowledge_token.{name}' for name in ('tokens', 'proj.weight', 'proj.bias')]


@pytest.mark.parametrize(
    ('pretrained', 'length', 'fits'),
    [((96, 64), 24, True), ((96, 64), 96, True), ((64, 96), 24, True), ((96, 64), 25, True), ((96, 64), 35, False)],
)
def test_the_grid_of_pretraining_is_that_of_both_strides(pretrained, length, fits):
    model = build(pretrain_img_size=pretrained)
    weights = dict(model.state_dict())
    columns = pretrained[1] // 16 * (2 if length == 96 else 1)
    ramp = torch.arange(columns).float().repeat(length // columns + 1)[:length]
    weights['pos_embed'] = ramp[None, :, None].expand(1, length, 24).clone()
    if not fits:
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
    source = build_trained(**wide)
    weights = dict(names(source.state_dict()).items())  # without metadata
    message = r'192 entries: its grid can be (16x12 or 12x16|12x16 or 16x12) .*pretrain_img'
    with pytest.raises(ValueError, match=message):
        load_strictly(build(**wide), dict(weights))
    assert build(**wide).load_state_dict(dict(weights), strict=False).missing_keys == ['pos_embed']
    configured = build(**wide, pretrain_img_size=(192, 256))
    tall, upright = build(img_size=(256, 192)), build(**wide, pretrain_img_size=(256, 192))
    for model in (configured, tall, upright, build()):  # for the last, only the published grid fits: it has 4x3
        model.load_state_dict(dict(weights))
    assert torch.equal(configured.pos_embed, source.pos_embed) and torch.equal(tall.pos_embed, source.pos_embed)
    assert not torch.equal(upright.pos_embed, source.pos_embed)


def test_a_recorded_grid_is_used_before_the_size_of_pretraining():
    """A config with the size of its pre-trained ViT also tests the checkpoint that was trained with it."""
    source = build_trained(img_size=(32, 160))
    same, other = build(img_size=(32, 160), pretrain_img_size=(224, 224)), build()
    for model in (same, other):
        model.load_state_dict(source.state_dict())
    assert torch.equal(same.pos_embed, source.pos_embed) and other.pos_embed.shape == (1, 12, 24)
    with pytest.raises(ValueError, match='position table of 20 entries: its grid is none of 4x3'):
        load_strictly(other, dict(source.state_dict()))  # without metadata


@pytest.mark.parametrize('registers', [0, 4])
def test_tokens_beside_the_grid_become_knowledge_tokens(registers, logged):
    count, weights = 1 + registers, dinov2(build(), registers)
    model = build(knowledge_token=dict(count=count, init='checkpoint'))
    model.load_state_dict(dict(weights))
    assert model.knowledge_token.tokens[0, :, 5].tolist() == [1.5] + [2] * registers
    assert f'{count} tokens beside the grid (cls token, registers) become knowledge tokens' in logged()
    message = f'has {count} tokens beside the grid, this ViT 7: set .*count={count}, init='
    with pytest.raises(ValueError, match=message):
        load_strictly(build(knowledge_token=dict(count=7, init='checkpoint')), weights)


@pytest.mark.parametrize('token', [None, dict(count=3)])
def test_registers_are_never_dropped_and_a_cls_token_is(token, logged):
    model = build(knowledge_token=token)
    with pytest.raises(ValueError, match='has 2 register tokens, .*count=3'):
        load_strictly(model, dinov2(build(), 2))
    left = model.load_state_dict(dinov2(build(), 2), strict=False).unexpected_keys
    assert set(left) == {'cls_token', 'register_tokens'}
    before = model.pos_embed.clone()
    model.load_state_dict(dinov2(build()), strict=False)
    message = (
        'the cls token is dropped, so the features differ from those of the original; knowledge_token=dict(count=1'
    )
    assert message in logged()
    assert torch.equal(model.pos_embed, before)  # its slot belongs to the token
    if token:
        alone = {key: value for key, value in dinov2(build()).items() if key != 'cls_token'}
        with pytest.raises(ValueError, match='has 1 register tokens'):
            load_strictly(model, alone | {'register_tokens': torch.ones(1, 2, 24)})


def test_the_usual_number_of_heads(logged):
    message = 'usually has 2 attention heads, this one 4: set arch=dict(depth=2, embed_dim=128'
    model = build(dim=128, heads=2)
    load_strictly(model, dinov2(model))
    model = build(dim=128, heads=4)
    classifier = {'head.weight': torch.zeros(5, 128), 'head.bias': torch.zeros(5)}
    model.load_state_dict({key: value for key, value in (dinov2(model) | classifier).items() if 'ls1' not in key})
    assert message in logged() and 'WARNING' in logged()  # timm's may differ
    model.load_state_dict(model.state_dict())
    assert logged().count('attention heads') == 1  # our own files are not questioned
    with pytest.raises(ValueError, match=re.escape(message)):  # DINOv2's do not
        load_strictly(model, dinov2(model))


@prefixes
def test_another_number_of_heads_than_the_recorded_one_is_refused(prefix):
    """The weights would fit, but compute something different."""
    weights, model = prefixed(build(), prefix).state_dict(), prefixed(build(heads=4), prefix)
    message = 'trained with 2 attention heads, this model has 4: set arch=dict.depth=2, embed_dim=24, num_heads=2'
    with pytest.raises(ValueError, match=message):
        load_strictly(model, weights)
    load_strictly(model, dict(weights))  # not every file records it


def test_files_and_web_addresses_of_init_cfg_are_read_safely():
    def pretrained(file):
        return dict(type='Pretrained', checkpoint=file, prefix='backbone.')

    def made_safe(init_cfg):
        module = BaseModule(init_cfg)
        init_pretrained(module, lambda: None)
        return module.init_cfg

    others = [pretrained('torchvision://resnet50'), dict(type='Normal', std=0.1), None]
    configs = [pretrained('a.pth'), pretrained('https://host/a.pth'), *others]
    safe = [pretrained('vitpose-safe://a.pth'), pretrained('vitpose-safe://https://host/a.pth'), *others]
    assert made_safe(configs) == safe and configs[0] == pretrained('a.pth')
    assert made_safe(pretrained('a.pth')) == safe[0]
    assert made_safe(dict(type='Pretrained', checkpoint=3)) == dict(type='Pretrained', checkpoint=3)


def test_possible_grids_are_those_of_the_format():
    vit, timm = build(), next(form for form in FORMATS if form.name == 'timm')
    assert possible_grids(vit, None, None) == [(4, 3), *POSE_GRIDS]
    assert possible_grids(vit, timm, None) == [(4, 3), *IMAGE_GRIDS]


def test_a_cls_token_of_another_width_is_refused_with_both_widths():
    weights = {**build(dim=64).state_dict(), 'cls_token': torch.zeros(1, 1, 64)}
    with pytest.raises(ValueError, match='width 64, this model 48'):
        load_strictly(build(dim=48), weights)
