"""Attention layouts: the attention of each block, loading checkpoints, number of passes."""

import re

import numpy as np
import pytest
import torch

from tests.unit.backbones.small_vit import build
from vitpose_mm.layers import WindowAttention
from vitpose_mm.networks.layout import attention_layout

GRID = dict(stride=8, img_size=(72, 56))
SHIFT_POOL = dict(window_size=(4, 3), shift=True, pool=True)
REL_POS = dict(window_size=(4, 3), rel_pos='decomposed')


def describe(depth, attention):
    return [str(block) for block in attention_layout(depth, attention)]


def test_layout_descriptions():
    assert describe(3, 'full') == ['full'] * 3
    assert describe(2, dict(window_size=(8, 8))) == ['window 8x8'] * 2
    assert describe(4, dict(window_size=(8, 8), shift=True)) == ['window 8x8', 'window 8x8 + shift'] * 2
    assert describe(1, dict(window_size=[16, 12], pool=True, rel_pos='decomposed')) == ['window 16x12 + pool + rel_pos']
    hybrid = describe(12, dict(window_size=(8, 8), full_every_quarter=True))
    assert [i for i, block in enumerate(hybrid) if block == 'full'] == [2, 5, 8, 11]
    shifted = describe(8, dict(window_size=(8, 8), shift=True, full_every_quarter=True))
    assert shifted == ['window 8x8', 'full', 'window 8x8 + shift', 'full'] * 2


@pytest.mark.parametrize(
    'attention', [SHIFT_POOL, REL_POS, dict(SHIFT_POOL, rel_pos='decomposed', full_every_quarter=True)], ids=str
)
def test_a_full_attention_checkpoint_of_stride_16_loads_into_every_layout(attention, logged):
    source, plain, target = build(depth=6), build(depth=6, **GRID), build(depth=6, attention=attention, **GRID)
    for model in (plain, target):
        model.load_state_dict(source.state_dict(), strict=True)
    for name, value in target.state_dict().items():
        if '.rel_pos.' in name:
            assert not value.any()
        else:
            assert torch.equal(value, plain.state_dict()[name])
    assert 'dropped' not in logged()


@pytest.mark.parametrize(
    ('changes', 'passes'),
    [
        (dict(), 2),
        (dict(with_cp=True), 2),
        (dict(attention=dict(SHIFT_POOL, recompute=False)), 1),
        (dict(with_cp=True, attention=dict(SHIFT_POOL, recompute=False)), 2),
    ],
)
def test_windows_are_computed_at_most_twice_per_step(changes, passes, monkeypatch):
    model, calls, attend = build(**{'attention': SHIFT_POOL, **GRID, **changes}), [], WindowAttention.attend
    monkeypatch.setattr(WindowAttention, 'attend', lambda self, *qkv: calls.append(self) or attend(self, *qkv))
    model(torch.randn(2, 3, 72, 56))[0].square().sum().backward()
    assert len(calls) == passes * len(model.layers)


@pytest.mark.parametrize(
    ('target', 'dropped'),
    [
        (dict(REL_POS, window_size=(8, 6)), []),
        (dict(REL_POS, window_size=(2, 5)), []),
        (dict(REL_POS, full_every_quarter=True), ['8']),
        ('full', ['12']),
    ],
    ids=str,
)
def test_relative_positions_load_into_every_layout(target, dropped, logged):
    source, model = (build(depth=6, attention=attention, **GRID) for attention in (REL_POS, target))
    model.load_state_dict(source.state_dict(), strict=True)
    assert re.findall(r'dropped (\d+) relative position tables of the checkpoint', logged()) == dropped
    for block, theirs in zip(model.layers, source.layers, strict=True):
        torch.testing.assert_close(block.mlp.fc1.weight, theirs.mlp.fc1.weight)
        for name, ours in block.attn.named_parameters():
            if not name.startswith('rel_pos.'):
                continue
            ours, table = ours.detach().numpy(), theirs.attn.get_parameter(name).detach().numpy()
            # the oracle: linear interpolation of the table, one channel at a time
            at = np.clip((np.arange(len(ours)) + 0.5) * len(table) / len(ours) - 0.5, 0, len(table) - 1)
            for d in range(ours.shape[1]):
                np.testing.assert_allclose(ours[:, d], np.interp(at, np.arange(len(table)), table[:, d]), atol=1e-6)
