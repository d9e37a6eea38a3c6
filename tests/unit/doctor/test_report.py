"""`vitpose doctor`: it works where nothing else does, and names what fixes it."""

import os
import re
import subprocess
import sys

import pytest

from vitpose.cli.main import main
from vitpose.doctor import report, stack
from vitpose.doctor.report import examine, import_errors

from .tested_stack import GOOD, PINS


@pytest.fixture
def machine(monkeypatch):
    """A machine with the tested stack, on which everything imports; changes are by name."""

    def make(errors=None, **changes):
        versions = {**GOOD, **{name.replace('_', '-'): version for name, version in changes.items()}}
        versions = {name: version for name, version in versions.items() if version}
        monkeypatch.setattr(stack, 'installed', lambda: versions)
        monkeypatch.setattr(report, 'is_published_wheel', lambda name: False)
        monkeypatch.setattr(report, 'lacks_ops', lambda: False)
        monkeypatch.setattr(report, 'import_errors', lambda names: errors or {})
        monkeypatch.setattr(report, 'device_notes', lambda: [])
        monkeypatch.setenv('COLUMNS', '200')

    return make


def test_it_works_where_nothing_is_installed(root):
    """No site-packages at all: no torch, no mmpose, no rich, and no crash."""
    code = (
        f'import sys; sys.path.insert(0, {str(root)!r}); sys.argv = ["vitpose", "doctor"]\n'
        'from vitpose.cli.main import main\n'
        'sys.exit(main())'
    )
    done = subprocess.run([sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, '')
    for part in stack.PARTS:
        name = part.distributions[0]
        if part.optional_for:
            assert re.search(rf'^{name} +- +\S+ +optional', done.stdout, re.MULTILINE)
        else:
            command = rf'^{name} is missing\n +.*pip install .*{name}=={PINS[name]}$'
            assert re.search(command, done.stdout, re.MULTILINE)


def test_the_tested_stack_is_fine(machine, capsys):
    machine()
    assert main(['doctor']) == 0
    said = capsys.readouterr().out
    assert 'Everything that is needed is installed' in said and '2.14.1' in said


@pytest.mark.slow
def test_this_environment_is_fine(capsys):
    """The tests run where `make test` or `make compat` put them, so doctor finds nothing wrong."""
    assert main(['doctor']) == 0, capsys.readouterr().out


def test_what_is_missing_is_named_with_its_command(machine, capsys):
    machine(onedl_mmcv=None)
    assert main(['doctor']) == 1
    said = capsys.readouterr().out
    assert f'onedl-mmcv is missing\n    {stack.fix("onedl-mmcv", PINS)}' in said


def test_what_does_not_import_shows_its_own_error(machine, capsys):
    machine({'mmpose': 'ImportError: libGL.so.1: cannot open shared object'})
    assert main(['doctor']) == 1
    said = capsys.readouterr().out
    assert (
        'mmpose is broken: ImportError: libGL.so.1' in said
        and 'pip install --no-deps --force-reinstall --no-cache-dir mmpose==1.3.2' in said
    )


def test_an_optional_part_may_be_missing(machine):
    machine(tensorboard=None, transformers=None, onedl_mmpretrain=None)
    assert main(['doctor']) == 0


def test_another_version_is_told_apart_and_allowed():
    rows = {row.name: row for row in examine({**GOOD, 'scipy': '1.16.0', 'torch': '2.14.1+cpu'}, PINS, {})}
    assert (rows['scipy'].state, rows['scipy'].installed) == ('untested', '1.16.0')
    assert rows['torch'].state == 'ok'


def test_brackets_in_an_error_are_shown_as_they_are(machine, capsys):
    machine({'mmpose': "KeyError: '[/red] is not in [names]'"})
    main(['doctor'])
    assert capsys.readouterr().out.count('[/red] is not in [names]') == 2


def test_a_bad_pair_makes_the_exit_code_1(machine, capsys):
    machine(transformers='5.1.0')
    assert main(['doctor']) == 1
    assert 'pip install transformers==4.53.3' in capsys.readouterr().out


def test_imports_are_tried_elsewhere_and_survive_a_crash(tmp_path, monkeypatch):
    (tmp_path / 'dies.py').write_text('import os; print("last words"); os.kill(os.getpid(), 11)')
    (tmp_path / 'raises.py').write_text('raise RuntimeError("numpy.dtype size changed")')
    (tmp_path / 'fine.py').write_text('print("chatty")')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')]))
    errors = import_errors(['fine', 'dies', 'raises', 'json', 'not_there'])
    assert errors['fine'] == errors['json'] == ''
    assert errors['dies'] == 'the process died with code -11'
    assert errors['raises'] == 'RuntimeError: numpy.dtype size changed'
    assert errors['not_there'].startswith('ModuleNotFoundError')
    assert 'fine' not in sys.modules
