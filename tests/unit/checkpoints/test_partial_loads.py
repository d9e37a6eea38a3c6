"""Partial loads are the user's business: hooks never refuse, and only what was never filled does not predict."""

import copy

import pytest
import torch
from mmengine.runner import load_checkpoint
from torch.optim.swa_utils import AveragedModel

from tests.unit.checkpoints.tiny_vits import IMAGE, build


def part(weights, prefix):
    return {key: value for key, value in weights.items() if key.startswith(prefix)}


@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
@pytest.mark.parametrize(('first', 'second'), [('head.', 'backbone.'), ('backbone.', 'head.')])
def test_a_part_that_no_checkpoint_filled_does_not_predict(kind, first, second, logged):
    model, other = build(kind), build(kind, seed=1)
    model(IMAGE, None, mode='tensor')  # random weights, as in a unit test: nothing was loaded
    missing, unexpected = model.load_state_dict(part(other.state_dict(), first), strict=False)
    assert missing and not unexpected and not any(key.startswith(first) for key in missing)
    assert logged().count('WARNING') == 1
    with pytest.raises(ValueError, match=f'this {"ViT" if second == "backbone." else kind} has random values'):
        model(IMAGE, None, mode='tensor')
    model.load_state_dict(part(other.state_dict(), second), strict=False)
    assert torch.equal(model(IMAGE, None, mode='tensor'), other(IMAGE, None, mode='tensor'))
    model.load_state_dict(part(other.state_dict(), first), strict=False)  # both were filled before
    model(IMAGE, None, mode='tensor')
    assert logged().count('WARNING') == 1


def test_training_fills_what_a_checkpoint_lacks():
    model = build()
    model.load_state_dict(part(model.state_dict(), 'backbone.'), strict=False)
    with pytest.raises(ValueError, match='has random values'):
        model.eval()(IMAGE, None, mode='tensor')
    model.train()(IMAGE, None, mode='tensor')
    model.eval()(IMAGE, None, mode='tensor')


@pytest.mark.parametrize('key', ['layers.1.attn.qkv.weight', 'layers.0.mlp.fc2.bias', 'pos_embed', 'last_norm.weight'])
@pytest.mark.parametrize('attention', ['full', dict(window_size=(2, 3), rel_pos='decomposed')])
def test_an_adapter_replaces_its_own_weights_alone(key, attention):
    model = build(attention=attention)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value += 'rel_pos' in name
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    expected[f'backbone.{key}'] += 1
    adapter = {f'backbone.{key}': expected[f'backbone.{key}'].clone(), 'backbone.adapter': IMAGE}
    _, unexpected = model.load_state_dict(adapter, strict=False)
    assert unexpected == ['backbone.adapter']
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize('strict', [True, False])
@pytest.mark.parametrize(('key', 'shape'), [('pos_embed', (1, 35, 24)), ('patch_embed.proj.weight', (24, 3, 8, 8))])
def test_what_cannot_be_adapted_is_left_to_torch(key, shape, strict):
    weights = dict(build().state_dict()) | {f'backbone.{key}': torch.zeros(shape)}
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
    other, averaged = build(seed=1), AveragedModel(build())
    averaged.update_parameters(other)
    again, fresh = AveragedModel(build(seed=2)), build(seed=3)
    again.load_state_dict(averaged.state_dict())
    fresh.load_state_dict(averaged.module.state_dict())
    copied = copy.deepcopy(fresh)
    copied.load_state_dict(other.state_dict())
    for model, expected in ((again.module, averaged.module), (fresh, averaged.module), (copied, other)):
        assert torch.equal(model(IMAGE, None, mode='tensor'), expected(IMAGE, None, mode='tensor'))


def test_mmengine_loads_a_file_without_a_part_with_one_warning_line_of_ours(tmp_path, logged):
    torch.save(dict(state_dict=part(build(seed=1).state_dict(), 'backbone.')), tmp_path / 'vit.pth')
    model = build()
    load_checkpoint(model, str(tmp_path / 'vit.pth'), map_location='cpu')
    lines = [line for line in logged().splitlines() if 'WARNING' in line and 'ClassicHead' in line]
    assert len(lines) == 1 and 'the checkpoint does not fit this ClassicHead: 12 missing (' in lines[0]
    with pytest.raises(ValueError, match='this ClassicHead has random values'):
        model(IMAGE, None, mode='tensor')
