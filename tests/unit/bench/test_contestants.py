"""The registry of contestants, and which of them are left out."""

from types import SimpleNamespace

import pytest
import torch

from tests.unit.predict.tiny_models import single
from vitpose.bench import contestants
from vitpose.bench.contestants import CONTESTANTS, REFERENCE, LeftOut, check_names, make_contestants, need, need_usual
from vitpose.predict.crops import CropRule


def left_out(reason):
    def make(setup):
        raise LeftOut(reason)

    return make


@pytest.fixture
def registry(monkeypatch):
    made = {REFERENCE: lambda setup: ('ours', setup), 'new': lambda setup: ('new', setup), 'gone': left_out('no\n GPU')}
    monkeypatch.setattr(contestants, 'CONTESTANTS', made)


@pytest.mark.usefixtures('registry')
def test_registered_contestants_are_made_and_others_left_out():
    assert make_contestants(1) == ({REFERENCE: ('ours', 1), 'new': ('new', 1)}, {'gone': 'no GPU'})
    assert make_contestants(1, ['new']) == ({REFERENCE: ('ours', 1), 'new': ('new', 1)}, {})
    assert make_contestants(1, ['gone']) == ({REFERENCE: ('ours', 1)}, {'gone': 'no GPU'})


def test_unknown_name():
    with pytest.raises(ValueError, match='--only yolo: expected some of ours-fp32, ours-bf16, ours-compiled, onnx'):
        check_names(['mmpose', 'yolo'])


def test_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    with pytest.raises(LeftOut, match='^no_such_package not installed: pip install it$'):
        need('pip install it', 'torch', 'no_such_package')
    monkeypatch.setattr(contestants, 'find_spec', lambda name: None)
    for name in ('transformers', 'rtmlib'):
        with pytest.raises(LeftOut, match=f'{name}.* not installed: pip install .*{name}'):
            CONTESTANTS[name](None)


def test_emulated_bfloat16_is_left_out(monkeypatch):
    monkeypatch.setattr('vitpose.bench.ours.has_bfloat16', lambda device: False)
    with pytest.raises(LeftOut, match='bfloat16 is slower than float32'):
        CONTESTANTS['ours-bf16'](SimpleNamespace(device=torch.device('cpu')))


@pytest.mark.parametrize(
    ('rule', 'change', 'message'),
    [
        (dict(use_udp=True), {}, None),
        (dict(use_udp=False), {}, 'use_udp=False'),
        (dict(use_udp=True, padding=1.1), {}, 'padding=1.1'),
        (dict(use_udp=True), dict(head=dict(decoder=dict(type='MSRAHeatmap'))), 'and MSRAHeatmap'),
        (dict(use_udp=True), dict(data_preprocessor=dict(bgr_to_rgb=False)), 'takes normalised RGB images'),
        (dict(use_udp=True), dict(data_preprocessor=dict(mean=None)), 'takes normalised RGB images'),
        (dict(use_udp=True), dict(test_cfg=dict(output_keypoint_indices=[0])), 'output_keypoint_indices'),
    ],
)
def test_peers_that_do_one_thing_are_left_out_of_others(rule, change, message):
    config = single()
    config.merge_from_dict(dict(model=change))
    setup = SimpleNamespace(crop_rule=CropRule((96, 128), **rule), config=config)
    if message is None:
        need_usual(setup, 'peer')
    else:
        with pytest.raises(LeftOut, match=f'^peer .*{message}'):
            need_usual(setup, 'peer')
