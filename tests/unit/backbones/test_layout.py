"""Attention layouts: the attention of each block, loading checkpoints, compilation, export, bad input."""

import itertools

import numpy as np
import pytest
import torch
from mmengine.utils import digit_version
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose_mm.backbones.layout import attention_layout
from vitpose_mm.layers import WindowAttention

CAN_EXPORT = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.4'), reason='tracing and export need torch 2.4 or newer'
)
ARCH = dict(depth=4, embed_dim=48, num_heads=4)
LAYOUTS = [
    dict(window_size=(4, 3), shift=shift, pool=pool, rel_pos=rel_pos, full_every_quarter=hybrid)
    for shift, pool, rel_pos, hybrid in itertools.product([False, True], [False, True], [None, 'decomposed'], [False])
] + [dict(window_size=(4, 3), shift=True, pool=True, rel_pos='decomposed', full_every_quarter=True)]
COMBINED = dict(window_size=(4, 3), shift=True, pool=True)


def build(attention, img_size=(72, 56), **changes):
    torch.manual_seed(0)
    changes = {'arch': ARCH, 'stride': 8, **changes}
    model = MODELS.build(dict(type='ViT', img_size=img_size, attention=attention, **changes))
    for name, parameter in model.named_parameters():
        if '.rel_pos.' in name:
            torch.nn.init.normal_(parameter, std=0.2)
    return model


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


@pytest.mark.parametrize('attention', ['full', *LAYOUTS], ids=str)
def test_every_parameter_gets_a_gradient(attention):
    model = build(attention)
    model(torch.randn(2, 3, 72, 56))[0].square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize('attention', LAYOUTS, ids=str)
def test_activation_checkpointing_gives_the_same_gradients(attention):
    image = torch.randn(2, 3, 72, 56)
    gradients = []
    for with_cp in (False, True):
        model = build(attention, with_cp=with_cp)
        model(image)[0].square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)


@pytest.mark.parametrize('attention', ['full', *LAYOUTS], ids=str)
def test_bf16_agrees_with_fp32(attention):
    model = build(attention).eval()
    image = torch.randn(2, 3, 72, 56)
    (exact,) = model(image)
    with torch.autocast('cpu', torch.bfloat16):
        (rough,) = model(image)
    # bf16 has 8 significant bits: each of the 4 blocks rounds normalized values of order 1 by about 2**-8
    assert (exact - rough).abs().max() < 0.15
    assert (exact - rough).abs().mean() < 0.02


@pytest.mark.parametrize('attention', ['full', *LAYOUTS], ids=str)
def test_a_full_attention_checkpoint_of_stride_16_loads_into_every_layout(attention):
    source = build('full', stride=16, img_size=(64, 48))
    target = build(attention)
    target.load_state_dict(source.state_dict(), strict=True)
    plain = build('full')
    plain.load_state_dict(source.state_dict(), strict=True)
    for name, value in target.state_dict().items():
        if '.rel_pos.' in name:
            assert not value.any()
        else:
            assert torch.equal(value, plain.state_dict()[name])


@pytest.mark.parametrize(
    ('changes', 'passes'),
    [
        (dict(), 2),
        (dict(with_cp=True), 2),
        (dict(attention=dict(COMBINED, recompute=False)), 1),
        (dict(with_cp=True, attention=dict(COMBINED, recompute=False)), 2),
    ],
)
def test_windows_are_computed_at_most_twice_per_step(changes, passes, monkeypatch):
    model, calls, attend = build(**{'attention': COMBINED, **changes}), [], WindowAttention.attend
    monkeypatch.setattr(WindowAttention, 'attend', lambda self, *qkv: calls.append(self) or attend(self, *qkv))
    model(torch.randn(2, 3, 72, 56))[0].square().sum().backward()
    assert len(calls) == passes * len(model.layers)


@pytest.mark.parametrize(
    'target',
    [
        dict(window_size=(8, 6), rel_pos='decomposed'),
        dict(window_size=(2, 5), rel_pos='decomposed', shift=True),
        dict(window_size=(4, 3), rel_pos='decomposed', full_every_quarter=True),
        'full',
    ],
    ids=str,
)
def test_relative_positions_load_into_every_layout(target):
    source = build(dict(window_size=(4, 3), rel_pos='decomposed'))
    model = build(target)
    model.load_state_dict(source.state_dict(), strict=True)
    for block, theirs in zip(model.layers, source.layers, strict=True):
        torch.testing.assert_close(block.mlp.fc1.weight, theirs.mlp.fc1.weight)
        rel_pos = getattr(block.attn, 'rel_pos', None)
        if rel_pos is None:
            continue
        for name in ('rel_pos_h', 'rel_pos_w'):
            ours, table = getattr(rel_pos, name).detach().numpy(), getattr(theirs.attn.rel_pos, name).detach().numpy()
            # the oracle: linear interpolation of the table, one channel at a time
            at = np.clip((np.arange(len(ours)) + 0.5) * len(table) / len(ours) - 0.5, 0, len(table) - 1)
            for d in range(ours.shape[1]):
                np.testing.assert_allclose(ours[:, d], np.interp(at, np.arange(len(table)), table[:, d]), atol=1e-6)


def test_dropped_relative_positions_are_logged(logged):
    build('full').load_state_dict(build(dict(window_size=(4, 3), rel_pos='decomposed')).state_dict(), strict=True)
    assert 'dropped 8 relative position tables' in logged()


def test_windows_as_large_as_the_grid_equal_full_attention():
    full, windowed = build('full').eval(), build(dict(window_size=(64, 64), shift=True, pool=True)).eval()
    image = torch.randn(1, 3, 72, 56)
    torch.testing.assert_close(windowed(image)[0], full(image)[0])


def test_masks_are_not_in_the_state_dict():
    model = build(COMBINED)
    model(torch.randn(1, 3, 72, 56))
    assert set(model.state_dict()) == set(build('full').state_dict())


@pytest.mark.slow
@CAN_EXPORT
@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('attention', ['full', COMBINED, LAYOUTS[-1]], ids=str)
def test_compiles_without_a_graph_break(fresh_compiler, attention, training):
    model = build(attention).train(training)
    image = torch.randn(2, 3, 72, 56)
    # the eager backend traces, which finds graph breaks, but does not compile
    compiled = torch.compile(model.forward, fullgraph=True, backend='eager')
    torch.testing.assert_close(compiled(image)[0], model(image)[0])


@pytest.mark.slow
@CAN_EXPORT
@pytest.mark.parametrize('attention', ['full', COMBINED, LAYOUTS[-1]], ids=str)
def test_exports_with_a_dynamic_batch(attention):
    model = build(attention, img_size=(104, 56)).eval()  # no earlier test has cached masks of this size
    batch = torch.export.Dim('batch', min=1, max=64)
    program = torch.export.export(model, (torch.randn(2, 3, 104, 56),), dynamic_shapes=({0: batch},), strict=False)
    image = torch.randn(5, 3, 104, 56)
    torch.testing.assert_close(program.module()(image)[0], model(image)[0])


@pytest.mark.parametrize(
    ('attention', 'message'),
    [
        ('window', "attention='window'.*'full' \\(no windows\\) or a dict of window_size"),
        (dict(window_size=(0, 8)), r'window_size=\(0, 8\).*integers >= 1'),
        (dict(window_size=(8, 8, 8)), r'expected \(h, w\)'),
        (dict(window_size=8), r'window_size=8, expected \(h, w\)'),
        (dict(window_size=(8, 8), pooled=True), r"unknown keys \['pooled'\]"),
        (dict(window_size=(8, 8), rel_pos='swin'), "rel_pos='swin', expected None or 'decomposed'"),
        (dict(rel_pos='decomposed'), r"missing keys \['window_size'\]; expected 'full'"),
    ],
)
def test_bad_layouts(attention, message):
    with pytest.raises(ValueError, match=message):
        build(attention)


def test_full_every_quarter_needs_four_blocks():
    with pytest.raises(ValueError, match='depth >= 4, this model has 3'):
        build(dict(window_size=(4, 4), full_every_quarter=True), arch=dict(depth=3, embed_dim=48, num_heads=4))
