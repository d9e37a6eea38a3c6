"""`vitpose doctor`: it runs where nothing is installed, and prints a command that fixes each problem."""

import os
import re
import subprocess
import sys

import pytest

from vitpose.cli.main import main
from vitpose.doctor import stack, stack_report
from vitpose.doctor.stack_report import examine, find_import_errors

from .tested_stack import GOOD, PINS


@pytest.fixture
def machine(monkeypatch):
    """A function that simulates a machine with the tested stack, without import errors; arguments change versions."""

    def make(errors=None, **changes):
        versions = {**GOOD, **{name.replace('_', '-'): version for name, version in changes.items()}}
        versions = {name: version for name, version in versions.items() if version}
        monkeypatch.setattr(stack, 'find_installed', lambda: versions)
        monkeypatch.setattr(stack_report, 'is_published_wheel', lambda name: False)
        monkeypatch.setattr(stack_report, 'lacks_ops', lambda: False)
        monkeypatch.setattr(stack_report, 'find_import_errors', lambda names: errors or {})
        monkeypatch.setattr(stack_report, 'device_notes', lambda: [])
        monkeypatch.setenv('COLUMNS', '200')

    return make


def test_doctor_works_without_installed_packages(root):
    """It does not crash without site-packages, that is, without torch, mmpose and rich."""
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


def test_tested_stack_has_no_problems(machine, capsys):
    machine()
    assert main(['doctor']) == 0
    output = capsys.readouterr().out
    assert 'Everything that is needed is installed' in output and '2.14.1' in output


@pytest.mark.slow
def test_this_environment_has_no_problems(capsys):
    """The tests run in the environment of `make test` or `make compat`, where doctor must find no problem."""
    assert main(['doctor']) == 0, capsys.readouterr().out


def test_missing_package_is_reported_with_its_fix(machine, capsys):
    machine(onedl_mmcv=None)
    assert main(['doctor']) == 1
    output = capsys.readouterr().out
    assert f'onedl-mmcv is missing\n    {stack.fix_command("onedl-mmcv", PINS)}' in output


def test_broken_package_is_reported_with_its_error(machine, capsys):
    machine({'mmpose': 'ImportError: libGL.so.1: cannot open shared object'})
    assert main(['doctor']) == 1
    output = capsys.readouterr().out
    assert (
        'mmpose is broken: ImportError: libGL.so.1' in output
        and 'pip install --no-deps --force-reinstall --no-cache-dir mmpose==1.3.2' in output
    )


def test_optional_packages_may_be_missing(machine):
    machine(tensorboard=None, transformers=None, onedl_mmpretrain=None)
    assert main(['doctor']) == 0


def test_other_version_is_reported_as_untested():
    rows = {row.name: row for row in examine({**GOOD, 'scipy': '1.16.0', 'torch': '2.14.1+cpu'}, PINS, {})}
    assert (rows['scipy'].state, rows['scipy'].installed) == ('untested', '1.16.0')
    assert rows['torch'].state == 'ok'


def test_brackets_in_an_error_are_printed_unchanged(machine, capsys):
    machine({'mmpose': "KeyError: '[/red] is not in [names]'"})
    main(['doctor'])
    assert capsys.readouterr().out.count('[/red] is not in [names]') == 2


def test_known_bad_combination_gives_exit_code_1(machine, capsys):
    machine(transformers='5.1.0')
    assert main(['doctor']) == 1
    assert 'pip install transformers==4.53.3' in capsys.readouterr().out


def test_imports_are_tried_in_a_subprocess_that_may_crash(tmp_path, monkeypatch):
    (tmp_path / 'dies.py').write_text('import os; print("last words"); os.kill(os.getpid(), 11)')
    (tmp_path / 'raises.py').write_text('raise RuntimeError("numpy.dtype size changed")')
    (tmp_path / 'fine.py').write_text('print("chatty")')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')]))
    errors = find_import_errors(['fine', 'dies', 'raises', 'json', 'not_there'])
    assert errors['fine'] == errors['json'] == ''
    assert errors['dies'] == 'the process died with code -11'
    assert errors['raises'] == 'RuntimeError: numpy.dtype size changed'
    assert errors['not_there'].startswith('ModuleNotFoundError')
    assert 'fine' not in sys.modules
