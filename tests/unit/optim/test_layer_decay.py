"""Layer decay: the paper's rule, the same groups as MMPose, any prefix, bad options."""

from functools import partial

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpose.engine.optim_wrappers import LayerDecayOptimWrapperConstructor  # noqa: F401, registers
from torch import nn

from tests.unit.checkpoints import tiny_vits

DEPTH, LR, WD, RATE = 4, 5e-4, 0.1, 0.75
OPTIMIZER = dict(lr=LR, weight_decay=WD)
LAYER_DECAY = 'ViTLayerDecayOptimWrapperConstructor'


build_model = partial(tiny_vits.build, depth=DEPTH, embed_dim=32)


def build_wrapper(model=None, constructor=LAYER_DECAY, optimizer=OPTIMIZER, **paramwise):
    init_default_scope('mmpose')
    options = dict(optimizer=dict(type='AdamW', **optimizer), constructor=constructor)
    options['paramwise_cfg'] = dict(layer_decay_rate=RATE) | paramwise
    return build_optim_wrapper(build_model() if model is None else model, options)


def rates_of(wrapper, key='params'):
    groups = wrapper.optimizer.param_groups
    return {item: (group['lr'], group['weight_decay']) for group in groups for item in group[key]}


def rates_by_name(*model, **options):
    return rates_of(build_wrapper(*model, **options), 'param_names')


@pytest.mark.parametrize('rate', [RATE, 1])
def test_learning_rates_follow_the_paper(rate):
    rates = rates_by_name(layer_decay_rate=rate)
    for name, exponent, decay in (
        ('backbone.patch_embed.proj.weight', 5, WD),
        ('backbone.patch_embed.proj.bias', 5, 0),
        ('backbone.pos_embed', 5, 0),
        ('backbone.layers.0.attn.qkv.weight', 4, WD),
        ('backbone.layers.0.norm1.weight', 4, 0),
        ('backbone.layers.3.mlp.fc2.weight', 1, WD),
        ('backbone.last_norm.weight', 0, 0),
        ('head.final_layer.weight', 0, WD),
        ('head.final_layer.bias', 0, 0),
    ):
        assert rates[name] == (pytest.approx(LR * rate**exponent), decay), name


def test_same_groups_as_mmpose():
    model = build_model()
    ours = build_wrapper(model).optimizer.param_groups
    theirs = build_wrapper(model, 'LayerDecayOptimWrapperConstructor', num_layers=DEPTH)
    fields = ('param_names', 'lr_scale', 'lr', 'weight_decay')
    one, other = (
        {group['group_name']: {field: group[field] for field in fields} for group in groups}
        for groups in (ours, theirs.optimizer.param_groups)
    )
    assert one == other
    names = [name for group in ours for name in group['param_names']]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())


class Wrapped(nn.Module):
    def __init__(self, name, model):
        super().__init__()
        self.add_module(name, model)


@pytest.mark.slow
@pytest.mark.parametrize('prefix', ['module', 'student', '_orig_mod', 'deep.inside'])
def test_any_prefix(prefix):
    """With these prefixes, also of a compiled model or ViT, MMPose's constructor gives every block scale 1."""
    model = wrapped = build_model()
    expected = rates_of(build_wrapper(model))
    model.backbone = torch.compile(model.backbone)  # which also has the attributes of the ViT
    assert rates_of(build_wrapper(model)) == expected
    for name in reversed(prefix.split('.')):
        wrapped = Wrapped(name, wrapped)
    assert rates_of(build_wrapper(wrapped)) == expected
    assert len(set(expected.values())) > DEPTH


def test_frozen_parameters_are_left_out():
    model = build_model(freeze='ffn')
    rates = rates_by_name(model)
    assert set(rates) == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert 'backbone.layers.0.mlp.fc1.weight' not in rates


def test_a_frozen_teacher_is_ignored():
    student, teacher = build_model(), build_model(depth=6)
    both = Wrapped('student', student)
    both.add_module('teacher', teacher)
    with pytest.raises(ValueError, match=r'different depths \[4, 6\].*Freeze'):
        build_wrapper(both)
    teacher.requires_grad_(False)
    assert rates_of(build_wrapper(both, num_layers=DEPTH)) == rates_of(build_wrapper(student))


def test_custom_keys():
    plain = rates_by_name()
    keys = {'layers': dict(lr_mult=10.0), 'layers.1': dict(lr_mult=0.5, decay_mult=2.0), 'head': dict(decay_mult=0.0)}
    rates = rates_by_name(custom_keys=keys | {'absent': dict(lr_mult=3.0)})
    for name, (lr, decay) in plain.items():
        # only the longest matching key applies
        factors = (0.5, 2) if 'layers.1' in name else (10, 1) if 'layers' in name else (1, not name.startswith('head'))
        assert rates[name] == pytest.approx((lr * factors[0], decay * factors[1])), name
    rates = rates_by_name(custom_keys={'norm': dict(lr_mult=2.0), 'last': dict(lr_mult=3.0)})  # of equal length
    assert rates['backbone.last_norm.weight'][0] == pytest.approx(3 * LR)  # the first in the alphabet


def test_without_weight_decay_the_optimizers_default_applies():
    rates = rates_by_name(optimizer=dict(lr=LR))
    assert rates['head.final_layer.weight'] == (LR, 0.01)
    assert rates['head.final_layer.bias'] == (LR, 0)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(custom_keys={'norm': dict(decay_multi=0.0)}), "'decay_multi'.*mean 'decay_mult'"),
        (dict(custom_keys={'norm': dict(decay_mult='0')}), "decay_mult='0'.*number >= 0"),
        (dict(custom_keys={'norm': dict(lr_mult=-1)}), 'lr_mult=-1'),
        (dict(custom_keys={'head': dict(decay_mult=0.0)}, optimizer=dict(lr=LR)), "no 'weight_decay'"),
        (dict(layer_decay=0.7), "'layer_decay'.*mean 'layer_decay_rate'"),
        (dict(bias_decay_mult=0.0), "unknown key 'bias_decay_mult'.*Known: layer_decay_rate"),
        (dict(num_layers=12), 'num_layers=12.*4 blocks'),
        (dict(layer_decay_rate=0), r'layer_decay_rate=0,.*\(0, 1\]'),
        (dict(layer_decay_rate=1.5), 'layer_decay_rate=1.5'),
        (dict(layer_decay_rate='0.75'), "layer_decay_rate='0.75'"),
        (dict(layer_decay_rate=None), 'layer_decay_rate=None'),
        (dict(optimizer={}), "no 'lr'"),
        (dict(model=nn.Sequential(nn.Linear(2, 2))), "found no ViT.*type='ViT'"),
    ],
)
def test_bad_options_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        build_wrapper(**change)


def test_missing_options_are_refused():
    cfg = dict(optimizer=dict(type='AdamW', lr=LR), constructor=LAYER_DECAY)
    with pytest.raises(ValueError, match='layer_decay_rate=None'):
        build_optim_wrapper(build_model(), cfg)


def test_the_groups_are_logged_once_as_a_table(logged):
    model = build_model()
    build_wrapper(model, custom_keys={'head': dict(lr_mult=2.0)})
    text = logged()
    assert text.count('Optimizer groups') == 1
    rows = [line.split('|')[1:-1] for line in text.splitlines() if line.startswith('|')]
    titles = [cell.strip() for cell in rows[0]]
    assert titles == ['layer id', 'lr', 'weight decay', 'tensors', 'parameters', 'custom key']
    table = [[cell.strip() for cell in row] for row in rows if row[0].strip().isdigit()]
    assert len(table) == 13
    order = [(int(row[0]), float(row[2])) for row in table]
    assert order == sorted(order) and len(set(order)) > 10
    total = sum(int(row[4].replace(',', '')) for row in table)
    assert total == sum(parameter.numel() for parameter in model.parameters())
    first = next(row for row in table if row[0] == '0' and row[2] == '0.1')
    assert first[1] == f'{LR * RATE**5:.3e}'
    assert [row[5] for row in table if row[5]] == ['head', 'head']
