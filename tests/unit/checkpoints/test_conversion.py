"""A checkpoint keeps every bit through any two formats."""

import itertools
import json

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose.cli.main import main
from vitpose_mm.checkpoints import conversion
from vitpose_mm.checkpoints.experts_and_decoders import AUTHORS_ORDER
from vitpose_mm.checkpoints.model_parts import split_parts
from vitpose_mm.checkpoints.safe_load import add_metadata, load_checkpoint, load_weights
from vitpose_mm.checkpoints.validation import load_strictly

SUFFIX = dict(ours='.pth', mmpose='.pth', official='.pth', transformers='', safetensors='.safetensors')
KEYPOINTS = dict(zip(AUTHORS_ORDER, (17, 14, 16, 17, 17, 133), strict=True))
ORDER = ('mpii', 'coco', 'aic', 'apt36k', 'coco_wholebody', 'ap10k')  # not the authors'


def head(kind='SimpleHead', keypoints=5):
    return dict(type=kind, in_channels=24, out_channels=keypoints)


def build(kind):
    """A tiny model with random values everywhere."""
    vit = dict(type='ViT', arch=dict(depth=2, embed_dim=24, num_heads=2), img_size=(80, 48))
    if kind in ('simple', 'classic'):
        config = dict(type='TopdownPoseEstimator', backbone=vit, head=head(f'{kind.title()}Head'))
    else:
        names = ORDER if kind == 'plus' else ORDER[:1]
        heads = {name: head(keypoints=KEYPOINTS[name]) for name in names}
        config = dict(
            type='MultiDatasetPoseEstimator',
            backbone=dict(vit, experts=dict(names=list(ORDER), expert_dim=8)),
            head=dict(type='MultiDatasetHead', heads=heads, default_dataset=names[0]),
        )
    model = MODELS.build(config)
    torch.manual_seed(0)
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.randn_like(value).abs() if key.endswith('var') else torch.randn_like(value))
    model.state_dict()['backbone.pos_embed'][0, 0, 0] = -0.0
    return model.eval()


def convert(file, folder, name, form, *more):
    out = folder / f'{name}{SUFFIX[form]}'
    assert main(['convert', str(file), str(out), '--to', form, '--num-heads', '2', *more]) == 0
    return out


def bits(weights):
    return {
        key: (value.dtype, tuple(value.shape), value.contiguous().numpy().tobytes()) for key, value in weights.items()
    }


@pytest.fixture(scope='module', params=['simple', 'classic', 'plus', 'plus-one'])
def kind(request, tmp_path_factory):
    """A kind of model, a file of each format that can hold it, and a folder."""
    folder = tmp_path_factory.mktemp(request.param)
    start = folder / 'start.pth'
    experts = [] if request.param in ('simple', 'classic') else list(ORDER)
    weights = build(request.param).state_dict()
    torch.save(dict(state_dict=weights, meta={}), start)
    formats = [form for form in SUFFIX if not (form == 'mmpose' and experts)]
    formats = [form for form in formats if not (form == 'transformers' and request.param == 'plus')]
    return folder, weights, {form: convert(start, folder, f'from-{form}', form) for form in formats}


def test_every_pair_of_formats_keeps_every_bit(kind):
    folder, weights, files = kind
    expected = bits(weights)
    for numbered, (first, second) in enumerate(itertools.product(files, repeat=2)):
        there = convert(files[first], folder, f'there-{numbered}', second)
        assert bits(load_weights(there)) == bits(load_weights(files[second])), f'{first} -> {second}'
        back = convert(there, folder, f'back-{numbered}', first)
        assert bits(load_weights(back)) == bits(load_weights(files[first])), f'{first} -> {second} -> {first}'
        ours = convert(there, folder, f'ours-{numbered}', 'ours')
        assert {key: expected[key] for key in expected} == bits(load_weights(ours)), f'{first} -> {second} -> ours'


def test_our_models_load_every_format(kind, request):
    folder, weights, files = kind
    image = torch.randn(2, 3, 80, 48, generator=torch.Generator().manual_seed(0))
    name = next(parameter for parameter in ('simple', 'classic', 'plus-one', 'plus') if parameter in folder.name)
    expected = build(name)
    for form, file in files.items():
        model = build(name)
        for value in model.state_dict().values():
            value.zero_()
        if 'plus' in name and form in ('official', 'transformers'):
            model.load_state_dict(load_weights(file), strict=name == 'plus')
        else:
            model.load_state_dict(load_weights(file), strict=True)
        with torch.no_grad():
            assert torch.equal(model(image, None, mode='tensor'), expected(image, None, mode='tensor')), form


def parts_of(kind, **meta):
    weights = build(kind).state_dict()
    if meta:
        weights._metadata['backbone'].pop('experts')
        add_metadata(weights, meta)
    return split_parts(weights, meta)


def patches_of_14():
    parts = parts_of('simple')
    return parts._replace(vit={**parts.vit, 'patch_embed.proj.weight': torch.zeros(24, 3, 14, 14)})


def with_rel_pos():
    parts = parts_of('simple')
    return parts._replace(vit={**parts.vit, 'layers.0.attn.rel_pos.h': torch.zeros(3, 12)})


def test_names_of_each_format():
    plus = parts_of('plus', experts=list(ORDER))
    named = conversion.to_official(plus, print)
    assert torch.equal(
        named['backbone.blocks.1.mlp.experts.2.weight'], plus.vit['layers.1.mlp.experts.weight'][ORDER.index('mpii')]
    )
    assert named['keypoint_head.final_layer.bias'].shape == (17,)
    assert named['associate_keypoint_heads.4.final_layer.bias'].shape == (133,)
    assert named['backbone.pos_embed'].shape == (1, 16, 24) and not named['backbone.pos_embed'][:, 0].any()
    weights, config = conversion.to_transformers(plus, 2, dataset='aic')
    assert weights['head.conv.bias'].shape == (14,)
    assert config['backbone_config']['part_features'] == 8 and config['backbone_config']['layer_norm_eps'] == 1e-6
    assert conversion.to_ours(plus, print)['head.heads.mpii.final_layer.bias'].shape == (16,)


@pytest.mark.parametrize(
    ('write', 'message'),
    [
        (
            lambda: conversion.to_mmpose(parts_of('plus'), print),
            'no experts and one decoder per model: extract the plain model',
        ),
        (lambda: conversion.to_transformers(parts_of('plus'), 2), 'choose one of mpii, coco, .* with --dataset'),
        (lambda: conversion.to_official(parts_of('plus', experts=list('abcdef')), print), '6 experts of a, b, c'),
        (
            lambda: conversion.to_transformers(parts_of('simple')._replace(grid=None), 2),
            'table of 15 entries is not known: give it with --img-size',
        ),
        (lambda: conversion.to_transformers(parts_of('simple')._replace(heads={}), 2), 'has no decoder'),
        (lambda: conversion.to_transformers(patches_of_14(), 2), 'patches of 14 pixels without padding'),
        (lambda: conversion.to_official(patches_of_14(), print), 'patches of 14 pixels .* write ours instead'),
        (
            lambda: conversion.to_official(with_rel_pos(), print),
            'layers.0.attn.rel_pos.h has no name in the other format',
        ),
        (
            lambda: conversion.to_mmpose(with_rel_pos(), print),
            'layers.0.attn.rel_pos.h has no name in the other format',
        ),
        (lambda: split_parts({'x': torch.ones(1)}, {}), 'no ViT of a known origin: 1 keys such as x'),
        (
            lambda: split_parts({**build('simple').state_dict(), 'neck.x': torch.ones(1)}, {}),
            '1 keys are left over: neck',
        ),
    ],
)
def test_what_a_format_cannot_hold_is_refused(write, message):
    with pytest.raises(ValueError, match=message):
        write()


def test_the_slot_of_the_authors_is_kept_or_folded_and_reported(tmp_path, capsys):
    named = conversion.to_official(parts_of('simple'), print)
    named['backbone.pos_embed'][:, 0] = 1
    torch.save(dict(state_dict=named, meta=dict(grid=[5, 3])), tmp_path / 'a.pth')
    again = convert(tmp_path / 'a.pth', tmp_path, 'b', 'official')
    assert bits(load_weights(again)) == bits(named)
    capsys.readouterr()
    ours = convert(tmp_path / 'a.pth', tmp_path, 'c', 'ours')
    assert 'its extra slot is added to every position' in capsys.readouterr().out
    assert load_checkpoint(ours).meta['changes'] == ['position table: its extra slot is added to every position']
    table = named['backbone.pos_embed']
    assert torch.equal(load_weights(ours)['backbone.pos_embed'], table[:, 1:] + table[:, :1])


def test_experts_left_inside_are_dropped_only_on_request(tmp_path, capsys):
    """A file of the authors' split script: FFN and expert are joined, and all experts are still there."""
    named = conversion.to_official(parts_of('plus', experts=list(ORDER)), print)
    for block in range(2):
        for part in ('weight', 'bias'):
            key = f'backbone.blocks.{block}.mlp.fc2.{part}'
            named[key] = torch.cat([named[key], named[f'backbone.blocks.{block}.mlp.experts.0.{part}']])
    torch.save(dict(state_dict=named), tmp_path / 'coco.pth')
    args = ['convert', str(tmp_path / 'coco.pth'), str(tmp_path / 'out.pth'), '--to', 'ours']
    assert main(args) == 2
    assert 'drop them with `vitpose convert FILE OUT --to ours --drop-unused`' in capsys.readouterr().err
    plain = build('simple')
    with pytest.raises(ValueError, match='24 weights of experts are unused.*--drop-unused'):
        load_strictly(plain, named)
    assert main([*args, '--drop-unused']) == 0
    assert '24 weights of experts and 5 decoders of other datasets are dropped' in capsys.readouterr().out
    found = load_weights(tmp_path / 'out.pth')
    assert set(found) == set(plain.state_dict())
    assert torch.equal(found['backbone.layers.1.mlp.fc2.weight'], named['backbone.blocks.1.mlp.fc2.weight'])


def test_what_is_beside_the_weights(tmp_path):
    parts = parts_of('simple')
    conversion.write_torch(tmp_path / 'ours.pth', conversion.to_ours(parts, print), dict(grid=[5, 3], experts=[]))
    assert torch.load(tmp_path / 'ours.pth')['state_dict']._metadata == {'backbone': {'grid': (5, 3)}}
    conversion.write_folder(tmp_path / 'theirs', *conversion.to_transformers(parts, 2), {})
    processor = json.loads((tmp_path / 'theirs/preprocessor_config.json').read_text())
    assert processor['image_processor_type'] == 'VitPoseImageProcessor'
    assert processor['size'] == {'height': 80, 'width': 48} and processor['do_affine_transform'] is True
    assert processor['normalize_factor'] == 200 and processor['rescale_factor'] == 1 / 255


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(json, 'dumps', lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        conversion.write_folder(tmp_path / 'out', {'x': torch.ones(1)}, {}, {})
    assert list(tmp_path.iterdir()) == []
