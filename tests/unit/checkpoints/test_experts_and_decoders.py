"""Renaming experts and decoders of other origins, and merging an expert into a plain FFN."""

import pytest
import torch

from vitpose_mm.checkpoints.experts_and_decoders import AUTHORS_ORDER, gather_decoders, rename_decoders, rename_experts
from vitpose_mm.checkpoints.origins import rename_vit
from vitpose_mm.estimators.plain_model import merge_expert

DEPTH, WIDTH, HIDDEN, EXPERT_DIM = 2, 12, 24, 4
AUTHORS_INDICES = {'coco': 0, 'aic': 1, 'mpii': 2, 'ap10k': 3, 'apt36k': 4, 'coco_wholebody': 5, 'hand21': 0}


def weights_of(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def authors_backbone():
    """FFN weights under the keys of ViTMoE's state dict, and `norm1`, which identifies the origin."""
    shapes = {}
    for block in range(DEPTH):
        at = f'blocks.{block}.'
        shapes |= {
            at + 'norm1.weight': (WIDTH,),
            at + 'mlp.fc1.weight': (HIDDEN, WIDTH),
            at + 'mlp.fc2.weight': (WIDTH - EXPERT_DIM, HIDDEN),
            at + 'mlp.fc2.bias': (WIDTH - EXPERT_DIM,),
        }
        for expert in range(6):
            shapes |= {
                f'{at}mlp.experts.{expert}.weight': (EXPERT_DIM, HIDDEN),
                f'{at}mlp.experts.{expert}.bias': (EXPERT_DIM,),
            }
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
def test_authors_experts_are_assigned_by_dataset_name(names):
    theirs = authors_backbone()
    ours = rename_experts(rename_vit(theirs)[0], names, EXPERT_DIM, print, AUTHORS_ORDER)
    assert len(ours) == DEPTH * 6  # norm1, fc1, and the weights and biases of fc2 and of the experts
    for block in range(DEPTH):
        for kind in ('weight', 'bias'):
            stack = ours[f'layers.{block}.mlp.experts.{kind}']
            assert len(stack) == len(names)
            for index, name in enumerate(names):
                expected = theirs[f'blocks.{block}.mlp.experts.{AUTHORS_INDICES[name]}.{kind}']
                assert torch.equal(stack[index], expected)
            shared = f'mlp.fc2.{kind}'
            assert torch.equal(ours[f'layers.{block}.{shared}'], theirs[f'blocks.{block}.{shared}'])


def test_splitting_a_plain_ffn_into_experts_and_merging_restores_it():
    plain = plain_backbone()
    split = rename_experts(plain, ('coco', 'aic', 'mpii'), EXPERT_DIM, print)
    assert split['layers.0.mlp.experts.weight'].shape == (3, EXPERT_DIM, HIDDEN)
    assert split['layers.1.mlp.fc2.bias'].shape == (WIDTH - EXPERT_DIM,)
    for expert in range(3):
        merged = merge_expert(split, expert)
        assert merged.keys() == plain.keys()
        assert all(torch.equal(merged[key], plain[key]) for key in plain)


def test_merging_uses_the_chosen_expert():
    weights = weights_of(
        {
            'layers.0.mlp.fc2.weight': (8, HIDDEN),
            'layers.0.mlp.experts.weight': (2, EXPERT_DIM, HIDDEN),
            'layers.0.mlp.fc1.weight': (HIDDEN, WIDTH),
        }
    )
    merged = merge_expert(weights, 1)
    assert set(merged) == {'layers.0.mlp.fc2.weight', 'layers.0.mlp.fc1.weight'}
    assert torch.equal(merged['layers.0.mlp.fc2.weight'][:8], weights['layers.0.mlp.fc2.weight'])
    assert torch.equal(merged['layers.0.mlp.fc2.weight'][8:], weights['layers.0.mlp.experts.weight'][1])


def test_weights_that_fit_are_not_changed():
    plain, ours = (
        plain_backbone(),
        weights_of({'layers.0.mlp.fc2.weight': (8, HIDDEN), 'layers.0.mlp.experts.weight': (2, EXPERT_DIM, HIDDEN)}),
    )
    for weights, names in ((plain, ()), (ours, ('coco', 'aic'))):
        assert rename_experts(weights, names, EXPERT_DIM, print) == weights


@pytest.mark.parametrize(
    'names, expert_dim, message',
    [
        ((), 0, r'the checkpoint has 6 experts of 4 outputs, this ViT none: .* expert_dim=4\).*vitpose split'),
        (('coco', 'aic'), 6, r'the checkpoint has 2 experts of 4 outputs, this ViT 2 \(coco, aic\) of 6'),
    ],
)
def test_authors_experts_that_do_not_fit_are_refused(names, expert_dim, message):
    with pytest.raises(ValueError, match=message):
        rename_experts(rename_vit(authors_backbone())[0], names, expert_dim, print, AUTHORS_ORDER)


def test_another_number_of_our_experts_is_refused():
    weights = weights_of({'layers.0.mlp.experts.bias': (3, EXPERT_DIM)})
    with pytest.raises(ValueError, match=r'has 3 experts of 4 outputs, this ViT 2 \(coco, aic\) of 4: set `experts`'):
        rename_experts(weights, ('coco', 'aic'), EXPERT_DIM, print)


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
def test_authors_decoders_are_assigned_in_the_authors_order(decoders, prefix):
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
    expected = next(value for key, value in decoders.items() if key.endswith('heads.1.final_layer.weight'))
    assert torch.equal(weights['heads.mpii.final_layer.weight'], expected)


@pytest.mark.parametrize('name', ['', 'keypoint_head.'])
def test_a_single_decoder_is_assigned_to_the_first_dataset(name):
    weights = rename_decoders({name + 'final_layer.bias': torch.zeros(16)}, ('mpii', 'coco'))
    assert set(weights) == {'heads.mpii.final_layer.bias'}


def test_our_decoders_are_not_renamed():
    weights = {'heads.coco.final_layer.bias': torch.zeros(17), 'heads.aic.final_layer.bias': torch.zeros(14)}
    assert rename_decoders(weights, ('coco', 'aic')) == weights


def test_more_decoders_than_the_authors_had_have_no_name():
    named = rename_decoders({'associate_keypoint_heads.5.final_layer.bias': torch.zeros(1)}, AUTHORS_ORDER)
    assert list(named) == ['associate_keypoint_heads.5.final_layer.bias']


def test_our_experts_are_matched_by_name_if_they_are_recorded():
    weights = weights_of({'layers.0.mlp.experts.bias': (3, EXPERT_DIM)})
    found = rename_experts(weights, ('mpii', 'coco'), EXPERT_DIM, print, ('coco', 'aic', 'mpii'))
    assert torch.equal(found['layers.0.mlp.experts.bias'], weights['layers.0.mlp.experts.bias'][[2, 0]])
    weights = weights_of({'layers.0.mlp.experts.bias': (3, EXPERT_DIM)})
    found = rename_experts(weights, ('mpii', 'coco', 'aic'), EXPERT_DIM, print, ('coco', 'aic', 'mpii'))
    assert torch.equal(found['layers.0.mlp.experts.bias'], weights['layers.0.mlp.experts.bias'][[2, 0, 1]])


@pytest.mark.parametrize(('new_from', 'start'), [(None, 'coco'), ('aic', 'aic')])
def test_a_new_expert_starts_as_one_of_the_file_and_the_others_keep_theirs(new_from, start):
    recorded, names = ('coco', 'aic', 'mpii'), ('hand21', 'mpii', 'coco', 'face68')
    weights, lines = weights_of({'layers.0.mlp.experts.bias': (3, EXPERT_DIM)}), []
    found = rename_experts(weights, names, EXPERT_DIM, lines.append, recorded, new_from)
    indices = [recorded.index(start), 2, 0, recorded.index(start)]
    assert torch.equal(found['layers.0.mlp.experts.bias'], weights['layers.0.mlp.experts.bias'][indices])
    assert lines == [f'experts: hand21, face68 start as that of {start}; mpii, coco keep theirs']
    lines.clear()
    authors = rename_vit(authors_backbone())[0]
    key = 'layers.1.mlp.experts.bias'
    stack = rename_experts(authors, names, EXPERT_DIM, lines.append, AUTHORS_ORDER, new_from)[key]
    first = authors[key][AUTHORS_INDICES[start]]
    assert torch.equal(stack[0], first) and torch.equal(stack[2], authors[key][0])
    assert len(lines) == 1


def test_a_start_that_the_file_lacks_is_refused():
    weights = weights_of({'layers.0.mlp.experts.bias': (2, EXPERT_DIM)})
    with pytest.raises(ValueError, match="new_from='mpii': the checkpoint has experts of coco, aic"):
        rename_experts(weights, ('coco', 'hand21'), EXPERT_DIM, print, ('coco', 'aic'), 'mpii')
    rename_experts(weights, ('coco', 'aic'), EXPERT_DIM, print, ('coco', 'aic'), 'mpii')  # nothing is new


@pytest.mark.parametrize('recorded', [('coco',), ('coco', 'aic', 'mpii')])
def test_a_record_of_another_number_of_experts_is_refused(recorded):
    weights = weights_of({'layers.0.mlp.experts.bias': (2, EXPERT_DIM)})
    with pytest.raises(ValueError, match=f'has 2 experts, but records {len(recorded)} datasets'):
        rename_experts(weights, ('coco', 'hand21'), EXPERT_DIM, print, recorded)
