from unittest.mock import Mock

import pytest

from vitpose.bench import contestants
from vitpose.bench.contestant import REFERENCE, LeftOut
from vitpose.bench.contestants import CONTESTANTS, check_packages, make_contestants, register


def test_registered_contestants_are_made_and_others_left_out(monkeypatch):
    monkeypatch.setattr(contestants, 'CONTESTANTS', {})
    register(REFERENCE, lambda setup: ('ours', setup))
    register('new', lambda setup: 'new')
    register('gone', Mock(side_effect=LeftOut('no\n GPU')))
    assert make_contestants(1) == ({REFERENCE: ('ours', 1), 'new': 'new'}, {'gone': 'no GPU'})
    assert make_contestants(1, ['new']) == ({REFERENCE: ('ours', 1), 'new': 'new'}, {})
    assert make_contestants(1, ['gone']) == ({REFERENCE: ('ours', 1)}, {'gone': 'no GPU'})
    with pytest.raises(ValueError, match="'new' is already the name of a contestant"):
        register('new', Mock())


def test_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    with pytest.raises(LeftOut, match='^no_such_package not installed: pip install it$'):
        check_packages('pip install it', 'torch', 'no_such_package')
    monkeypatch.setattr(contestants, 'find_spec', lambda name: None)
    with pytest.raises(LeftOut, match=r"onnx.* not installed: pip install 'vitpose_mm\[export\]'"):
        CONTESTANTS['onnx-fp32'](None)
