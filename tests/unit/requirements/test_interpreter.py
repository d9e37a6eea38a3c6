"""Picking a Python: by running it, in the wanted order, with a message that helps."""

import sys

import interpreter
import pytest
from interpreter import NoInterpreterError, pick, probe


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing on PATH; returns a function that adds a Python to it."""
    monkeypatch.setenv('PATH', str(tmp_path / 'bin'))
    monkeypatch.setenv('PYENV_ROOT', str(tmp_path / 'pyenv'))
    monkeypatch.setattr(interpreter.sys, 'executable', str(tmp_path / 'nothing'))

    def add(place, version):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho {version}\n' if version else '#!/bin/sh\nexit 127\n')
        path.chmod(0o755)
        return str(path)

    return add


def test_probe_runs_it(machine):
    assert probe(sys.executable) is None  # the fixture's, which is not there
    assert probe(machine('bin/python3.11', '3.11')) == '3.11'
    assert probe(machine('bin/python3.12', None)) is None


def test_this_python_is_recognised():
    assert probe(sys.executable) == '{}.{}'.format(*sys.version_info)


def test_a_shim_that_fails_is_passed_over(machine):
    machine('bin/python3.11', None)
    good = machine('bin/python3.12', '3.12')
    assert pick(('3.11', '3.12', '3.10')) == (good, '3.12')


def test_the_wanted_order_decides(machine):
    machine('bin/python3.12', '3.12')
    good = machine('bin/python3', '3.11')
    assert pick(('3.11', '3.12')) == (good, '3.11')


def test_pyenvs_store_is_searched(machine):
    machine('bin/python3', '3.13')
    good = machine('pyenv/versions/3.10.13/bin/python', '3.10')
    assert pick(('3.10', '3.11')) == (good, '3.10')


def test_the_environment_to_be_made_does_not_count(machine, tmp_path):
    machine('bin/python3.11', '3.11')
    with pytest.raises(NoInterpreterError):
        pick(('3.11',), without=tmp_path / 'bin')


def test_nothing_suitable_says_what_was_tried_and_what_to_do(machine):
    old = machine('bin/python3', '3.8')
    with pytest.raises(NoInterpreterError, match='make PYTHON=') as error:
        pick(('3.11', '3.12'))
    assert f'{old} (3.8)' in str(error.value)
    assert 'apt install python3.11-venv' in str(error.value)


@pytest.mark.parametrize(('version', 'reason'), [('3.13', 'is Python 3.13'), (None, 'does not run')])
def test_the_users_choice_is_refused_with_the_reason(machine, version, reason):
    machine('bin/python3.11', '3.11')
    with pytest.raises(NoInterpreterError, match=reason):
        pick(('3.11',), machine('chosen/python', version))


def test_the_users_choice_is_taken(machine):
    machine('bin/python3.11', '3.11')
    chosen = machine('chosen/python', '3.12')
    assert pick(('3.11', '3.12'), chosen) == (chosen, '3.12')
