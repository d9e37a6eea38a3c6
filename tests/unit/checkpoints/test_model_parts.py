"""A whole checkpoint as its parts: sizes, decoders and experts by name, grids, what is dropped and what is refused."""

from collections import OrderedDict

import pytest
import torch

from tests.unit.checkpoints.tiny_vits import timm_names
from vitpose_mm.checkpoints.conversion import make_metadata
from vitpose_mm.checkpoints.experts_and_decoders import AUTHORS_ORDER
from vitpose_mm.checkpoints.model_parts import split_parts
from vitpose_mm.checkpoints.origins import FORMATS, usual_num_heads
from vitpose_mm.checkpoints.safe_load import add_metadata

DIM, PART = 8, 2


def vit(experts=0, grid=12, name='layers'):
    """A ViT of our names (or the authors', with numbered experts)."""
    shapes = {'norm1': (DIM,), 'attn.qkv': (3 * DIM, DIM), 'attn.proj': (DIM, DIM), 'mlp.fc1': (16, DIM)}
    shapes['mlp.fc2'] = (DIM - (PART if experts else 0), 16)
    weights = {'patch_embed.proj.weight': torch.rand(DIM, 3, 16, 16), 'pos_embed': torch.rand(1, grid, DIM)}
    for block in (f'{name}.0', f'{name}.1'):
        weights |= {f'{block}.{key}.weight': torch.rand(shape) for key, shape in shapes.items()}
        for kind, shape in dict(weight=(PART, 16), bias=(PART,)).items() if experts else ():
            numbered = [torch.full(shape, float(number)) for number in range(experts)]
            if name == 'layers':
                weights[f'{block}.mlp.experts.{kind}'] = torch.stack(numbered)
            else:
                weights |= {f'{block}.mlp.experts.{number}.{kind}': part for number, part in enumerate(numbered)}
    return weights | {'last_norm.weight': torch.rand(DIM)}


def model(parts, heads=('head',), **more):
    weights = {f'backbone.{key}': value for key, value in parts.items()}
    weights |= {f'{head}.final_layer.weight': torch.full((3,), float(i)) for i, head in enumerate(heads)}
    return weights | more


def read(weights, meta=None, **options):
    notes, recorded = [], OrderedDict(weights)
    recorded._metadata = getattr(weights, '_metadata', {})
    add_metadata(recorded, meta or {})
    return split_parts(recorded, meta or {}, log=notes.append, **options), notes


def test_a_model_of_one_dataset():
    weights = model(vit(), **{'data_preprocessor.mean': torch.ones(3)})
    parts, notes = read(weights)
    assert parts.size == (2, DIM) and parts.expert_shape == (0, 0) and parts.experts == () and notes == []
    assert list(parts.heads) == [''] and parts.vit.keys() == vit().keys()
    assert all(parts.vit[key] is weights[f'backbone.{key}'] for key in parts.vit)
    assert list(read(weights, dict(dataset='mice'))[0].heads) == ['mice']
    assert list(read(weights, dict(dataset=3))[0].heads) == ['']
    assert read(vit())[0].heads == {}


@pytest.mark.parametrize(
    ('length', 'meta', 'grid', 'recorded'),
    [
        (192, {}, (16, 12), None),  # the file may be a landscape model's
        (192, dict(grid=[16, 12]), (16, 12), [16, 12]),
        (196, {}, (14, 14), [14, 14]),  # a square is sure
        (15, {}, None, None),
        (15, dict(grid=[5, 3]), (5, 3), [5, 3]),
        (16, dict(grid=(5, 3)), (5, 3), [5, 3]),  # with an extra slot
        *((15, dict(grid=wrong), None, None) for wrong in ((4, 3), 'ab', (5,), (5, None), 7)),
    ],
)
def test_the_grid_is_recorded_or_known(length, meta, grid, recorded):
    """One that is only known of the format is not recorded again."""
    parts, _ = read(model(vit(grid=length)), meta)
    assert parts.grid == grid and make_metadata(parts)['grid'] == recorded


def test_decoders_by_dataset():
    parts, _ = read(model(vit(experts=2), ['head.heads.mice', 'head.heads.rats']))
    assert list(parts.heads) == ['mice', 'rats'] and parts.heads['rats']['final_layer.weight'].tolist() == [1, 1, 1]
    assert parts.experts == ('mice', 'rats') and parts.expert_shape == (2, PART)


def test_the_authors_numbers_are_names_and_their_experts_are_stacked():
    names = ['keypoint_head', *(f'associate_keypoint_heads.{n}' for n in range(6))]
    parts, _ = read(model(vit(experts=6, name='blocks'), names[:-1]))
    assert tuple(parts.heads) == AUTHORS_ORDER == parts.experts
    assert [head['final_layer.weight'][0].item() for head in parts.heads.values()] == [0, 1, 2, 3, 4, 5]
    assert parts.vit['layers.1.mlp.experts.weight'][:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert parts.vit['layers.1.mlp.experts.bias'].shape == (6, PART)
    assert list(read(model(vit(experts=6, name='blocks'), names))[0].heads)[-1] == 'associate_keypoint_heads.5'


@pytest.mark.parametrize('wrong', [['a', 'b', 'c'], ['a', 3], 'ab', None])
def test_names_of_experts_that_do_not_fit_are_not_read(wrong):
    assert read(model(vit(experts=2)), dict(experts=wrong))[0].experts == ()


def test_what_the_state_dict_records_counts_before_the_file():
    class Recorded(dict):
        _metadata = {'backbone': dict(experts=('c', 'd'), grid=(5, 3))}

    parts, _ = read(Recorded(model(vit(experts=2, grid=15))), dict(experts=['a', 'b'], grid=(3, 5)))
    assert parts.experts == ('c', 'd') and parts.grid == (5, 3)


@pytest.mark.parametrize(
    ('meta', 'heads'),
    [
        ({}, None),
        (dict(num_heads=4), 4),
        (dict(num_heads='4'), None),
        (dict(cfg='model = dict(backbone=dict(arch=dict(depth=2, embed_dim=8, num_heads=2)))'), 2),
        (dict(cfg='num_heads=2', num_heads=4), 4),
    ],
)
def test_number_of_attention_heads(meta, heads):
    parts, _ = read(model(vit()), meta)
    assert parts.num_heads == heads and make_metadata(parts)['num_heads'] == heads


@pytest.mark.parametrize(
    ('name', 'width', 'heads'),
    [
        *(('dinov2', 384, 6), ('timm', 192, 3), ('timm', 1280, 16), ('vit-transformers', 768, 12)),
        *(('timm', 100, None), ('mae', 384, None), ('authors', 384, None)),
    ],
)
def test_heads_that_all_models_of_a_format_have(name, width, heads):
    form = next(form for form in FORMATS if form.name == name)
    assert usual_num_heads(form, width) == heads


def test_a_recorded_grid_tells_the_cls_token_apart():
    weights = vit(grid=36, name='blocks') | {'cls_token': torch.rand(1, 1, DIM)}
    del weights['last_norm.weight']
    with pytest.raises(ValueError, match='position table of 36 entries'):
        read(weights)
    parts, _ = read(weights, dict(grid=[7, 5]))
    assert parts.grid == (7, 5) and torch.equal(parts.vit['pos_embed'], weights['pos_embed'][:, 1:])


def test_experts_return_to_the_order_that_is_noted():
    weights = model(vit(experts=2))
    parts, _ = read(weights, dict(experts=['a', 'b'], expert_order=['b', 'a']))
    assert parts.experts == ('b', 'a')
    for kind in ('weight', 'bias'):
        key = f'layers.0.mlp.experts.{kind}'
        assert torch.equal(parts.vit[key], weights[f'backbone.{key}'].flip(0))
    assert torch.equal(parts.vit['layers.0.mlp.fc1.weight'], weights['backbone.layers.0.mlp.fc1.weight'])
    for order in (['a', 'b'], ['a', 'c'], 'ba', None):
        assert read(weights, dict(experts=['a', 'b'], expert_order=order))[0].experts == ('a', 'b')


def timm(registers=0, extra=1):
    named = timm_names(vit(grid=196 + extra))
    named |= {'cls_token': torch.rand(1, 1, DIM), 'head.weight': torch.rand(2, DIM), 'head.bias': torch.rand(2)}
    return named | ({'reg_token': torch.rand(1, registers, DIM)} if registers else {})


def test_a_cls_token_and_its_position_are_dropped_unless_kept():
    weights = timm()
    parts, notes = read(weights)
    assert notes == ['the cls token is dropped'] and parts.grid == (14, 14)
    assert torch.equal(parts.vit['pos_embed'], weights['pos_embed'][:, 1:]) and 'cls_token' not in parts.vit
    kept, notes = read(weights, keep_tokens=True)
    assert kept.vit['cls_token'] is weights['cls_token'] and kept.vit['pos_embed'].shape[1] == 197 and not notes
    assert read(timm(extra=0))[0].vit['pos_embed'].shape[1] == 196
    assert 'register_tokens' in read(timm(registers=4), keep_tokens=True)[0].vit


def lacking(key, value=None):
    """A ViT with another value of a key, or without it."""
    return model({k: v for k, v in vit().items() if k != key} | ({} if value is None else {key: value}))


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        (lacking('pos_embed', torch.rand(12, DIM)), r'pos_embed: expected a weight of 3 dimensions, found \(12, 8\)'),
        (lacking('pos_embed', torch.rand(1, 0, DIM)), r'pos_embed: expected .* found \(1, 0, 8\)'),
        (lacking('patch_embed.proj.weight', torch.rand(DIM, 768)), r'proj\.weight: expected a weight of 4 dimensions'),
        (lacking('layers.0.norm1.weight', torch.rand(1, DIM)), 'norm1.weight: expected a weight of 1 dimensions'),
        (lacking('layers.0.mlp.fc1.weight'), 'fc1.weight: expected a weight of 2 dimensions, found none'),
        (lacking('layers.0.mlp.fc2.weight', torch.rand(DIM)), 'fc2.weight: expected a weight of 2 dimensions'),
        (
            model(vit(), **{f'neck.{n}': torch.ones(1) for n in range(6)}),
            r'6 keys are left over: neck\.0, neck\.1, neck\.2, neck\.3, neck\.4, \.\.\.$',
        ),
        (model(vit(), **{'neck.0': torch.ones(1)}), r'1 keys are left over: neck\.0$'),
        (dict.fromkeys(('a0', 'a1', 'a2', 'a3')), 'no ViT of a known origin: 4 keys such as a0, a1, a2; expected'),
        (timm(registers=4), r"register tokens take part .*count=5, init='checkpoint'"),
    ],
)
def test_what_is_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        read(weights)
