"""Experts and decoders of other origins get our names, and an expert merges into a plain FFN."""

import pytest
import torch

from vitpose_mm.checkpoints.key_maps import rename_backbone
from vitpose_mm.checkpoints.multi_dataset import (
    AUTHORS_ORDER,
    gather_decoders,
    merge_expert,
    rename_decoders,
    rename_experts,
)

DEPTH, WIDTH, HIDDEN, PART = 2, 12, 24, 4
NUMBERS = {'coco': 0, 'aic': 1, 'mpii': 2, 'ap10k': 3, 'apt36k': 4, 'coco_wholebody': 5, 'hand21': 0}


def weights_of(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def authors_backbone():
    """Keys as ViTMoE's state_dict() has them, of the FFNs and of what tells the origin."""
    shapes = {}
    for block in range(DEPTH):
        at = f'blocks.{block}.'
        shapes |= {
            at + 'norm1.weight': (WIDTH,),
            at + 'mlp.fc1.weight': (HIDDEN, WIDTH),
            at + 'mlp.fc2.weight': (WIDTH - PART, HIDDEN),
            at + 'mlp.fc2.bias': (WIDTH - PART,),
        }
        for expert in range(6):
            shapes |= {f'{at}mlp.experts.{expert}.weight': (PART, HIDDEN), f'{at}mlp.experts.{expert}.bias': (PART,)}
    return weights_of(shapes)


def plain_backbone():
    return weights_of(
        {
            f'layers.{block}.mlp.fc2.{kind}': shape
            for block in range(DEPTH)
            for kind, shape in (('weight', (WIDTH, HIDDEN)), ('bias', (WIDTH,)))
        }
    )


@pytest.mark.parametrize('names', [AUTHORS_ORDER, ('mpii', 'coco'), ('hand21', 'apt36k')])
def test_authors_experts_go_to_the_datasets_of_their_names(names):
    theirs = authors_backbone()
    ours = rename_experts(rename_backbone(theirs), names, PART)
    assert len(ours) == DEPTH * 6  # norm1, fc1, and a weight and a bias of fc2 and of the experts
    for block in range(DEPTH):
        for kind in ('weight', 'bias'):
            stack = ours[f'layers.{block}.mlp.experts.{kind}']
            assert len(stack) == len(names)
            for index, name in enumerate(names):
                own = theirs[f'blocks.{block}.mlp.experts.{NUMBERS[name]}.{kind}']
                assert torch.equal(stack[index], own)
            shared = f'mlp.fc2.{kind}'
            assert torch.equal(ours[f'layers.{block}.{shared}'], theirs[f'blocks.{block}.{shared}'])


def test_experts_of_a_plain_checkpoint_give_its_own_ffn_back():
    plain = plain_backbone()
    split = rename_experts(plain, ('coco', 'aic', 'mpii'), PART)
    assert split['layers.0.mlp.experts.weight'].shape == (3, PART, HIDDEN)
    assert split['layers.1.mlp.fc2.bias'].shape == (WIDTH - PART,)
    for expert in range(3):
        merged = merge_expert(split, expert)
        assert merged.keys() == plain.keys()
        assert all(torch.equal(merged[key], plain[key]) for key in plain)


def test_each_expert_merges_into_its_own_ffn():
    weights = weights_of(
        {
            'layers.0.mlp.fc2.weight': (8, HIDDEN),
            'layers.0.mlp.experts.weight': (2, PART, HIDDEN),
            'layers.0.mlp.fc1.weight': (HIDDEN, WIDTH),
        }
    )
    merged = merge_expert(weights, 1)
    assert set(merged) == {'layers.0.mlp.fc2.weight', 'layers.0.mlp.fc1.weight'}
    assert torch.equal(merged['layers.0.mlp.fc2.weight'][:8], weights['layers.0.mlp.fc2.weight'])
    assert torch.equal(merged['layers.0.mlp.fc2.weight'][8:], weights['layers.0.mlp.experts.weight'][1])


def test_what_needs_no_change_gets_none():
    plain, ours = (
        plain_backbone(),
        weights_of({'layers.0.mlp.fc2.weight': (8, HIDDEN), 'layers.0.mlp.experts.weight': (2, PART, HIDDEN)}),
    )
    for weights, names in ((plain, ()), (ours, ('coco', 'aic'))):
        assert rename_experts(weights, names, PART) == weights


@pytest.mark.parametrize(
    'names, part, message',
    [
        ((), 0, r'the checkpoint has 6 experts, this ViT none: .* expert_dim=4\).*vitpose split'),
        (('coco', 'aic'), 6, r'the checkpoint has 2 experts of 4 outputs, this ViT 2 \(coco, aic\) of 6'),
    ],
)
def test_authors_experts_that_do_not_fit(names, part, message):
    with pytest.raises(ValueError, match=message):
        rename_experts(rename_backbone(authors_backbone()), names, part)


def test_our_experts_of_another_number():
    weights = weights_of({'layers.0.mlp.experts.bias': (3, PART)})
    with pytest.raises(ValueError, match=r'has 3 experts of 4 outputs, this ViT 2 \(coco, aic\) of 4: set `experts`'):
        rename_experts(weights, ('coco', 'aic'), PART)


def test_a_number_of_experts_that_the_authors_never_had():
    weights = rename_backbone(authors_backbone())
    del weights['layers.1.mlp.experts.4.weight']
    with pytest.raises(ValueError, match='^layers.1.mlp.experts.weight: the checkpoint has experts 0, 1, 2, 3, 5; exp'):
        rename_experts(weights, AUTHORS_ORDER, PART)


def authors_decoders(associate='associate_keypoint_heads', first='keypoint_head'):
    prefixes = [first, *(f'{associate}.{number}' for number in range(5))]
    keypoints = (17, 14, 16, 17, 17, 133)
    return weights_of(
        {
            f'{prefix}.{key}': (count, *rest)
            for prefix, count in zip(prefixes, keypoints, strict=True)
            for key, rest in (('final_layer.weight', (8, 1, 1)), ('final_layer.bias', ()))
        }
    )


@pytest.mark.parametrize(
    'decoders', [authors_decoders(), authors_decoders('associate_heads', 'head')], ids=['theirs', 'renamed by MMPose']
)
@pytest.mark.parametrize('prefix', ['', 'student.'])
def test_authors_decoders_go_to_the_datasets_of_their_order(decoders, prefix):
    state_dict = {prefix + key: value for key, value in decoders.items()} | {prefix + 'backbone.x': torch.zeros(1)}
    gather_decoders(state_dict, prefix)
    assert state_dict.pop(prefix + 'backbone.x').shape == (1,)
    weights = rename_decoders(
        {key.removeprefix(prefix + 'head.'): value for key, value in state_dict.items()},
        ('mpii', 'coco', 'coco_wholebody', 'hand21'),
    )
    sizes = {key: len(value) for key, value in weights.items() if key.endswith('bias')}
    assert sizes == {
        'heads.coco.final_layer.bias': 17,
        'heads.mpii.final_layer.bias': 16,
        'heads.coco_wholebody.final_layer.bias': 133,
    }
    third = next(value for key, value in decoders.items() if key.endswith('heads.1.final_layer.weight'))
    assert torch.equal(weights['heads.mpii.final_layer.weight'], third)


@pytest.mark.parametrize('name', ['', 'keypoint_head.'])
def test_a_lone_decoder_is_the_first_datasets(name):
    rest = {'backbone.pos_embed': torch.zeros(1), 'head.heads.coco.final_layer.bias': torch.zeros(1)}
    weights = rename_decoders({name + 'final_layer.bias': torch.zeros(16)} | rest, ('mpii', 'coco'))
    assert set(weights) == {'heads.mpii.final_layer.bias', *rest}


def test_our_decoders_stay():
    weights = {'heads.coco.final_layer.bias': torch.zeros(17), 'heads.aic.final_layer.bias': torch.zeros(14)}
    assert rename_decoders(weights, ('coco', 'aic')) == weights


def test_more_decoders_than_the_authors_had():
    with pytest.raises(ValueError, match='decoder associate_keypoint_heads.5; expected at most 5 beside keypoint_head'):
        rename_decoders({'associate_keypoint_heads.5.final_layer.bias': torch.zeros(1)}, AUTHORS_ORDER)
