"""Renaming experts and decoders of other origins, and merging an expert into a plain FFN."""

import pytest
import torch

from tests.unit.checkpoints.tiny_vits import is_same
from vitpose_mm.checkpoints.experts_and_decoders import AUTHORS_ORDER, merge_expert, rename_decoders, rename_experts

DEPTH, WIDTH, HIDDEN, EXPERT_DIM = 2, 12, 24, 4
BIAS = 'layers.0.mlp.experts.bias'


def weights_of(shapes):
    generator = torch.Generator().manual_seed(0)
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def biases(count):
    return weights_of({BIAS: (count, EXPERT_DIM)})


def test_splitting_a_plain_ffn_into_experts_and_merging_restores_it():
    shapes = {f'layers.{block}.mlp.fc2.weight': (WIDTH, HIDDEN) for block in range(DEPTH)}
    plain = weights_of(shapes | {f'layers.{block}.mlp.fc2.bias': (WIDTH,) for block in range(DEPTH)})
    assert rename_experts(plain, (), EXPERT_DIM, print) == plain
    split = rename_experts(plain, ('coco', 'aic', 'mpii'), EXPERT_DIM, print)
    assert split['layers.0.mlp.experts.weight'].shape == (3, EXPERT_DIM, HIDDEN)
    assert split['layers.1.mlp.fc2.bias'].shape == (WIDTH - EXPERT_DIM,)
    assert rename_experts(split, ('coco', 'aic', 'mpii'), EXPERT_DIM, print) == split
    for expert in range(3):
        assert is_same(merge_expert(split, expert), plain)


@pytest.mark.parametrize(
    ('count', 'names', 'dim', 'message'),
    [
        (6, (), 0, r'the checkpoint has 6 experts of 4 outputs, this ViT none: .* expert_dim=4\).*vitpose split'),
        (6, ('coco', 'aic'), 6, r'the checkpoint has 2 experts of 4 outputs, this ViT 2 \(coco, aic\) of 6'),
        (3, ('coco', 'aic'), 4, r'has 3 experts of 4 outputs, this ViT 2 \(coco, aic\) of 4: set `experts`'),
    ],
)
def test_experts_that_do_not_fit_are_refused(count, names, dim, message):
    with pytest.raises(ValueError, match=message):
        rename_experts(biases(count), names, dim, print, AUTHORS_ORDER if count == 6 else ())


@pytest.mark.parametrize(
    ('keys', 'names', 'expected'),
    [
        # a single decoder is that of the first dataset
        (['final_layer.bias'], ('mpii', 'coco'), ['heads.mpii.final_layer.bias']),
        (['keypoint_head.final_layer.bias'], ('mpii', 'coco'), ['heads.mpii.final_layer.bias']),
        # ours keep their names, and so do more decoders than the authors had
        (['heads.coco.x', 'heads.aic.x'], ('coco', 'aic'), ['heads.coco.x', 'heads.aic.x']),
        (['associate_keypoint_heads.5.x'], AUTHORS_ORDER, ['associate_keypoint_heads.5.x']),
    ],
)
def test_names_of_other_decoders(keys, names, expected):
    assert list(rename_decoders({key: torch.zeros(16) for key in keys}, names)) == expected


@pytest.mark.parametrize(('names', 'indices'), [(('mpii', 'coco'), [2, 0]), (('mpii', 'coco', 'aic'), [2, 0, 1])])
def test_our_experts_are_matched_by_name_if_they_are_recorded(names, indices):
    renamed = rename_experts(biases(3), names, EXPERT_DIM, print, ('coco', 'aic', 'mpii'))
    assert torch.equal(renamed[BIAS], biases(3)[BIAS][indices])


@pytest.mark.parametrize(('new_from', 'start'), [(None, 'coco'), ('aic', 'aic')])
def test_a_new_expert_starts_as_one_of_the_file_and_the_others_keep_theirs(new_from, start):
    recorded, names, lines = ('coco', 'aic', 'mpii'), ('hand21', 'mpii', 'coco', 'face68'), []
    renamed = rename_experts(biases(3), names, EXPERT_DIM, lines.append, recorded, new_from)
    indices = [recorded.index(start), 2, 0, recorded.index(start)]
    assert torch.equal(renamed[BIAS], biases(3)[BIAS][indices])
    assert lines == [f'experts: hand21, face68 start as that of {start}; mpii, coco keep theirs']


@pytest.mark.parametrize(
    ('recorded', 'message'),
    [
        (('coco', 'aic'), "new_from='mpii': the checkpoint has experts of coco, aic"),
        (('coco',), 'has 2 experts, but records 1 datasets'),
        (('coco', 'aic', 'mpii'), 'has 2 experts, but records 3 datasets'),
    ],
)
def test_a_record_that_does_not_fit_is_refused(recorded, message):
    with pytest.raises(ValueError, match=message):
        rename_experts(biases(2), ('coco', 'hand21'), EXPERT_DIM, print, recorded, 'mpii')
    rename_experts(biases(2), ('coco', 'aic'), EXPERT_DIM, print, ('coco', 'aic'), 'mpii')  # nothing is new
