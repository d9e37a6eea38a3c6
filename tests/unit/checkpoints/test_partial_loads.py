"""Partial loads are the user's business: hooks never refuse, and only what was never filled does not predict."""

import copy

import pytest
import torch
from mmengine.runner import load_checkpoint
from mmpose.registry import MODELS
from torch.optim.swa_utils import AveragedModel

import vitpose_mm  # noqa: F401

IMAGE = torch.zeros(1, 3, 64, 48)
HEADS = {kind: dict(type=kind, in_channels=24, out_channels=3) for kind in ('ClassicHead', 'SimpleHead')}


def build(head='ClassicHead', seed=0, **changes):
    torch.manual_seed(seed)
    vit = dict(type='ViT', arch=dict(depth=2, embed_dim=24, num_heads=2), img_size=(64, 48), **changes)
    return MODELS.build(dict(type='TopdownPoseEstimator', backbone=vit, head=HEADS[head])).eval()


def part(weights, *prefixes):
    return {key: value for key, value in weights.items() if key.startswith(prefixes)}


@pytest.mark.parametrize('kind', HEADS)
@pytest.mark.parametrize(('given', 'lacks'), [('head.', 'ViT'), ('backbone.', 'Head')])
def test_a_part_that_no_checkpoint_filled_does_not_predict(kind, given, lacks, logged):
    model, other = build(kind), build(kind, seed=1)
    model(IMAGE, None, mode='tensor')  # random weights, as in a unit test: nothing was loaded
    missing, unexpected = model.load_state_dict(part(other.state_dict(), given), strict=False)
    assert missing and not unexpected and not any(key.startswith(given) for key in missing)
    assert logged().count('WARNING') == 1
    with pytest.raises(ValueError, match=f'this {"" if lacks == "ViT" else kind[:-4]}{lacks} has random values'):
        model(IMAGE, None, mode='tensor')
    model.load_state_dict(part(other.state_dict(), 'backbone.' if given == 'head.' else 'head.'), strict=False)
    assert torch.equal(model(IMAGE, None, mode='tensor'), other(IMAGE, None, mode='tensor'))
    model.load_state_dict(part(other.state_dict(), given), strict=False)  # both were filled before
    model(IMAGE, None, mode='tensor')
    assert logged().count('WARNING') == 1


def test_training_fills_what_a_checkpoint_lacks():
    model = build()
    model.load_state_dict(part(model.state_dict(), 'backbone.'), strict=False)
    model.train()(IMAGE, None, mode='tensor')
    model.eval()(IMAGE, None, mode='tensor')


@pytest.mark.parametrize('key', ['layers.1.attn.qkv.weight', 'layers.0.mlp.fc2.bias', 'pos_embed', 'last_norm.weight'])
@pytest.mark.parametrize('window', [False, True])
def test_an_adapter_replaces_its_own_weights_alone(key, window):
    attention = dict(window_size=(2, 3), rel_pos='decomposed') if window else 'full'
    model, before = build(attention=attention), build(attention=attention).state_dict()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if 'rel_pos' in name:
                value += 1
                before[name] = value.detach().clone()
    wanted = before[f'backbone.{key}'] + 1
    _, unexpected = model.load_state_dict({f'backbone.{key}': wanted.clone(), 'backbone.adapter': IMAGE}, strict=False)
    assert unexpected == ['backbone.adapter']
    for name, value in model.state_dict().items():
        assert torch.equal(value, wanted if name == f'backbone.{key}' else before[name]), name


@pytest.mark.parametrize(
    'change',
    [
        lambda weights: weights | {'backbone.pos_embed': torch.zeros(1, 35, 24)},
        lambda weights: weights | {'backbone.patch_embed.proj.weight': torch.zeros(24, 3, 8, 8)},
    ],
)
def test_what_cannot_be_adapted_is_left_to_torch(change):
    weights = change(dict(build().state_dict()))
    for strict in (True, False):
        with pytest.raises(RuntimeError, match='size mismatch for (pos_embed|backbone.p)'):
            build().load_state_dict(weights, strict=strict)


def test_strict_false_raises_for_nothing_that_torch_accepts(logged):
    model, weights = build(), build(seed=1).state_dict()
    for odd in ({}, {'x': IMAGE}, {'backbone.x': IMAGE}, {'head.x': IMAGE}, part(weights, 'backbone.layers.0.')):
        model.load_state_dict(odd, strict=False)
    authors = {key.replace('backbone.layers', 'backbone.blocks'): value for key, value in weights.items()}
    _, unexpected = model.load_state_dict(authors | {'backbone.more.x': IMAGE}, strict=False)
    assert unexpected == ['backbone.more.x']
    assert torch.equal(model.backbone.layers[1].mlp.fc1.weight, weights['backbone.layers.1.mlp.fc1.weight'])
    experts = {f'backbone.layers.{n}.mlp.experts.bias': torch.zeros(2, 8) for n in range(2)}
    model.load_state_dict({**weights, **experts}, strict=False)
    assert '4 weights of experts are unused' in logged()


def test_averaged_weights_load_anywhere():
    model, other = build(), build(seed=1)
    averaged = AveragedModel(model)
    averaged.update_parameters(other)
    again = AveragedModel(build(seed=2))
    again.load_state_dict(averaged.state_dict())
    fresh = build(seed=3)
    fresh.load_state_dict(averaged.module.state_dict())
    copied = copy.deepcopy(fresh)
    copied.load_state_dict(build(seed=1).state_dict())
    expected = averaged.module(IMAGE, None, mode='tensor')
    for found in (again.module, fresh):
        assert torch.equal(found(IMAGE, None, mode='tensor'), expected)
    assert torch.equal(copied(IMAGE, None, mode='tensor'), other(IMAGE, None, mode='tensor'))


def test_mmengine_loads_a_file_without_a_part_with_one_warning_line_of_ours(tmp_path, logged):
    torch.save(dict(state_dict=part(build(seed=1).state_dict(), 'backbone.')), tmp_path / 'vit.pth')
    model = build()
    load_checkpoint(model, str(tmp_path / 'vit.pth'), map_location='cpu')
    lines = [line for line in logged().splitlines() if 'WARNING' in line and 'ClassicHead' in line]
    assert len(lines) == 1 and 'the checkpoint does not fit this ClassicHead: 12 missing (' in lines[0]
    with pytest.raises(ValueError, match='this ClassicHead has random values'):
        model(IMAGE, None, mode='tensor')
