"""The registry of contestants, and which of them are left out."""

from types import SimpleNamespace

import pytest
import torch

from vitpose.bench import contestants
from vitpose.bench.contestant import REFERENCE, LeftOut
from vitpose.bench.contestants import CONTESTANTS, check_names, make_contestants, register, require_packages


def left_out(reason):
    def make(setup):
        raise LeftOut(reason)

    return make


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(contestants, 'CONTESTANTS', {})
    register(REFERENCE, lambda setup: ('ours', setup))
    register('new', lambda setup: ('new', setup))
    register('gone', left_out('no\n GPU'))


@pytest.mark.usefixtures('registry')
def test_registered_contestants_are_made_and_others_left_out():
    assert make_contestants(1) == ({REFERENCE: ('ours', 1), 'new': ('new', 1)}, {'gone': 'no GPU'})
    assert make_contestants(1, ['new']) == ({REFERENCE: ('ours', 1), 'new': ('new', 1)}, {})
    assert make_contestants(1, ['gone']) == ({REFERENCE: ('ours', 1)}, {'gone': 'no GPU'})


@pytest.mark.usefixtures('registry')
def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="'new' is already the name of a contestant"):
        register('new', left_out(''))


def test_unknown_name():
    with pytest.raises(ValueError, match='--only yolo: expected some of ours-fp32, ours-bf16, onnx'):
        check_names(['onnx-fp32', 'yolo'])


def test_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    with pytest.raises(LeftOut, match='^no_such_package not installed: pip install it$'):
        require_packages('pip install it', 'torch', 'no_such_package')
    monkeypatch.setattr(contestants, 'find_spec', lambda name: None)
    with pytest.raises(LeftOut, match=r"onnx.* not installed: pip install 'vitpose_mm\[export\]'"):
        CONTESTANTS['onnx-fp32'](None)


def test_emulated_bfloat16_is_left_out(monkeypatch):
    monkeypatch.setattr('vitpose.bench.ours.has_bfloat16', lambda device: False)
    with pytest.raises(LeftOut, match='bfloat16 is slower than float32'):
        CONTESTANTS['ours-bf16'](SimpleNamespace(device=torch.device('cpu')))
