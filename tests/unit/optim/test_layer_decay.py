"""Layer decay: the paper's rule, the same groups as MMPose, any prefix, bad options."""

import copy

import pytest
import torch
from mmengine.optim import LinearLR, MultiStepLR, build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpose.engine.optim_wrappers import LayerDecayOptimWrapperConstructor  # noqa: F401, registers
from mmpose.registry import MODELS
from torch import nn

import vitpose_mm  # noqa: F401, registers

DEPTH = 4
LR, WD, RATE = 5e-4, 0.1, 0.75


@pytest.fixture(autouse=True)
def mmpose_scope():
    """Set the default scope, as ``default_scope = 'mmpose'`` in a config does."""
    with DefaultScope.overwrite_default_scope('mmpose'):
        yield


def build_model(depth=DEPTH, **backbone):
    arch = dict(depth=depth, embed_dim=32, num_heads=2)
    return MODELS.build(
        dict(
            type='TopdownPoseEstimator',
            backbone=dict(type='ViT', arch=arch, img_size=(64, 48), **backbone),
            head=dict(type='ClassicHead', in_channels=32, out_channels=3),
        )
    )


def build_wrapper(model, constructor='ViTLayerDecayOptimWrapperConstructor', **paramwise):
    cfg = dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=LR, weight_decay=WD),
        constructor=constructor,
        paramwise_cfg=dict(layer_decay_rate=RATE, **paramwise),
    )
    return build_optim_wrapper(model, cfg)


def rates_of(wrapper):
    """Learning rate and weight decay by the id of the parameter."""
    return {
        id(parameter): (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    }


def rates_by_name(wrapper):
    return {
        name: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for name in group['param_names']
    }


def test_learning_rates_follow_the_paper():
    rates = rates_by_name(build_wrapper(build_model()))
    assert rates['backbone.patch_embed.proj.weight'] == (pytest.approx(LR * RATE**5), WD)
    assert rates['backbone.patch_embed.proj.bias'] == (pytest.approx(LR * RATE**5), 0)
    assert rates['backbone.pos_embed'] == (pytest.approx(LR * RATE**5), 0)
    assert rates['backbone.layers.0.attn.qkv.weight'] == (pytest.approx(LR * RATE**4), WD)
    assert rates['backbone.layers.0.norm1.weight'] == (pytest.approx(LR * RATE**4), 0)
    assert rates['backbone.layers.3.mlp.fc2.weight'] == (pytest.approx(LR * RATE), WD)
    assert rates['backbone.last_norm.weight'] == (pytest.approx(LR), 0)
    assert rates['head.final_layer.weight'] == (pytest.approx(LR), WD)
    assert rates['head.final_layer.bias'] == (pytest.approx(LR), 0)


def test_same_groups_as_mmpose():
    model = build_model()
    ours = build_wrapper(model).optimizer.param_groups
    theirs = build_wrapper(model, 'LayerDecayOptimWrapperConstructor', num_layers=DEPTH)
    fields = ('group_name', 'param_names', 'lr_scale', 'lr', 'weight_decay')

    def as_dict(groups):
        return {group['group_name']: {field: group[field] for field in fields} for group in groups}

    assert as_dict(ours) == as_dict(theirs.optimizer.param_groups)
    names = [name for group in ours for name in group['param_names']]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())


class Wrapped(nn.Module):
    """A module that holds a model under the given name."""

    def __init__(self, name, model):
        super().__init__()
        self.add_module(name, model)


@pytest.mark.parametrize('prefix', ['module', 'student', '_orig_mod', 'deep.inside'])
def test_any_prefix(prefix):
    """With these prefixes, MMPose's constructor gives every block scale 1."""
    model = build_model()
    expected = rates_of(build_wrapper(model))
    wrapped = model
    for name in reversed(prefix.split('.')):
        wrapped = Wrapped(name, wrapped)
    assert rates_of(build_wrapper(wrapped)) == expected
    assert len(set(expected.values())) > DEPTH


@pytest.mark.slow
def test_compiled_models_have_the_same_rates():
    model = build_model()
    expected = rates_of(build_wrapper(model))
    assert rates_of(build_wrapper(torch.compile(model))) == expected
    model.backbone = torch.compile(model.backbone)
    assert any('_orig_mod' in name for name, _ in model.named_parameters())
    assert rates_of(build_wrapper(model)) == expected


def test_frozen_parameters_are_left_out():
    model = build_model(freeze='ffn')
    rates = rates_by_name(build_wrapper(model))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert set(rates) == trained
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
    plain = rates_by_name(build_wrapper(build_model()))
    keys = {
        'layers': dict(lr_mult=10.0),
        'layers.1': dict(lr_mult=0.5, decay_mult=2.0),
        'head': dict(decay_mult=0.0),
        'absent': dict(lr_mult=3.0),
    }
    rates = rates_by_name(build_wrapper(build_model(), custom_keys=keys))
    for name, (lr, decay) in plain.items():
        if 'layers.1' in name:  # only the longest matching key applies
            expected = (lr * 0.5, decay * 2)
        elif 'layers' in name:
            expected = (lr * 10, decay)
        elif name.startswith('head'):
            expected = (lr, 0)
        else:
            expected = (lr, decay)
        assert rates[name] == pytest.approx(expected), name


def test_custom_keys_of_equal_length_apply_in_alphabetical_order():
    keys = {'norm': dict(lr_mult=2.0), 'last': dict(lr_mult=3.0)}
    rates = rates_by_name(build_wrapper(build_model(), custom_keys=keys))
    assert rates['backbone.last_norm.weight'][0] == pytest.approx(3 * LR)


def test_schedulers_keep_the_ratios_of_learning_rates():
    wrapper = build_wrapper(build_model())
    scales = [group['lr_scale'] for group in wrapper.optimizer.param_groups]
    schedulers = [
        LinearLR(wrapper, start_factor=0.001, by_epoch=False, begin=0, end=5),
        MultiStepLR(wrapper, milestones=[7], gamma=0.1, by_epoch=False),
    ]
    seen = []
    for _ in range(9):
        rates = [group['lr'] for group in wrapper.optimizer.param_groups]
        base = [lr / scale for lr, scale in zip(rates, scales, strict=True)]
        assert base == pytest.approx([base[0]] * len(base))
        seen.append(base[0])
        wrapper.optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert seen[0] == pytest.approx(0.001 * LR)
    assert seen[5] == pytest.approx(LR)
    assert seen[8] == pytest.approx(0.1 * LR)


def test_without_weight_decay_the_optimizers_default_applies():
    cfg = dict(
        optimizer=dict(type='AdamW', lr=LR),
        constructor='ViTLayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=RATE),
    )
    rates = rates_by_name(build_optim_wrapper(build_model(), cfg))
    assert rates['head.final_layer.weight'] == (LR, 0.01)
    assert rates['head.final_layer.bias'] == (LR, 0)
    cfg['paramwise_cfg']['custom_keys'] = {'head': dict(decay_mult=0.0)}
    with pytest.raises(ValueError, match="no 'weight_decay'"):
        build_optim_wrapper(build_model(), cfg)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(custom_keys={'norm': dict(decay_multi=0.0)}), "'decay_multi'.*mean 'decay_mult'"),
        (dict(custom_keys={'norm': dict(decay_mult='0')}), "decay_mult='0'.*number >= 0"),
        (dict(custom_keys={'norm': dict(lr_mult=-1)}), 'lr_mult=-1'),
        (dict(layer_decay=0.7), "'layer_decay'.*mean 'layer_decay_rate'"),
        (dict(bias_decay_mult=0.0), "unknown key 'bias_decay_mult'.*Known: layer_decay_rate"),
        (dict(num_layers=12), 'num_layers=12.*4 blocks'),
        (dict(layer_decay_rate=0), r'layer_decay_rate=0,.*\(0, 1\]'),
        (dict(layer_decay_rate=1.5), 'layer_decay_rate=1.5'),
        (dict(layer_decay_rate='0.75'), "layer_decay_rate='0.75'"),
        (dict(layer_decay_rate=None), 'layer_decay_rate=None'),
    ],
)
def test_bad_options_are_refused(change, message):
    cfg = dict(
        optimizer=dict(type='AdamW', lr=LR, weight_decay=WD),
        constructor='ViTLayerDecayOptimWrapperConstructor',
        paramwise_cfg={'layer_decay_rate': RATE, **change},
    )
    with pytest.raises(ValueError, match=message):
        build_optim_wrapper(build_model(), cfg)


def test_missing_options_are_refused():
    cfg = dict(optimizer=dict(type='AdamW', lr=LR), constructor='ViTLayerDecayOptimWrapperConstructor')
    with pytest.raises(ValueError, match='layer_decay_rate=None'):
        build_optim_wrapper(build_model(), cfg)
    cfg['paramwise_cfg'] = dict(layer_decay_rate=RATE)
    cfg['optimizer'] = dict(type='AdamW')
    with pytest.raises(ValueError, match="no 'lr'"):
        build_optim_wrapper(build_model(), cfg)


def test_a_model_without_vit_is_refused():
    with pytest.raises(ValueError, match="found no ViT.*type='ViT'"):
        build_wrapper(nn.Sequential(nn.Linear(2, 2)))


def test_a_decay_rate_of_one_gives_one_learning_rate():
    cfg = dict(
        optimizer=dict(type='AdamW', lr=LR, weight_decay=WD),
        constructor='ViTLayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=1),
    )
    wrapper = build_optim_wrapper(build_model(), copy.deepcopy(cfg))
    assert {lr for lr, _ in rates_of(wrapper).values()} == {LR}


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
