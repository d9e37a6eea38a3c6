"""`vitpose doctor`: it runs where nothing is installed, and prints a command that fixes each problem."""

import os
import re
import subprocess
import sys

import pytest

from vitpose.cli.main import main
from vitpose.doctor import stack, stack_report
from vitpose.doctor.stack_report import device_note, find_import_errors

from .tested_stack import GOOD, PINS


@pytest.fixture
def doctor(monkeypatch, capsys):
    """A function that runs doctor with the tested stack, changed versions and import errors."""

    def run(errors=(), **changes):
        versions = {**GOOD, **{name.replace('_', '-'): version for name, version in changes.items()}}
        versions = {name: version for name, version in versions.items() if version}
        monkeypatch.setattr(stack, 'find_installed', lambda: versions)
        monkeypatch.setattr(stack_report, 'is_published_wheel', lambda name: False)
        monkeypatch.setattr(stack_report, 'lacks_ops', lambda: False)
        monkeypatch.setattr(stack_report, 'find_import_errors', lambda names: dict(errors))
        return main(['doctor']), capsys.readouterr().out

    return run


def test_doctor_works_without_installed_packages(root):
    code = f'import sys; sys.path.insert(0, {str(root)!r}); sys.argv = ["vitpose", "doctor"]\n'
    code += 'from vitpose.cli.main import main; sys.exit(main())'
    done = subprocess.run([sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, '')
    for part in stack.PARTS:
        name = part.distributions[0]
        command = rf'^{name} is missing\n +.*pip install .*{name}=={PINS.get(name)}$'
        pattern = rf'^{name} +- +\S+ +optional' if part.optional_for else command
        assert re.search(pattern, done.stdout, re.MULTILINE), name


@pytest.mark.slow
def test_this_environment_has_no_problems(capsys):
    """The tests run in the environment of `make test` or `make compat`, where doctor must find no problem."""
    code, output = main(['doctor']), capsys.readouterr().out
    assert code == 0 and 'Everything that is needed is installed' in output, output
    assert 'torch finds no GPU: training and testing run on the CPU.' in output or "GPU(s); mmcv's ops" in output


def test_tested_stack_has_no_problems(doctor):
    code, output = doctor()
    assert code == 0 and 'Everything that is needed is installed' in output and '2.14.1' in output
    assert doctor(tensorboard=None, transformers=None, onedl_mmpretrain=None)[0] == 0  # optional


def test_problems_are_reported_with_their_fix(doctor):
    code, output = doctor(onedl_mmcv=None)
    assert code == 1 and f'onedl-mmcv is missing\n    {stack.fix_command("onedl-mmcv", PINS)}' in output
    code, output = doctor(transformers='5.1.0')
    assert code == 1 and 'pip install transformers==4.53.3' in output
    code, output = doctor({'mmpose': 'ImportError: libGL.so.1: cannot open shared object'})
    assert code == 1 and output.count('ImportError: libGL.so.1: cannot open shared object') == 2  # table and line
    command = 'pip install --no-deps --force-reinstall --no-cache-dir mmpose==1.3.2'
    assert 'mmpose is broken: ImportError' in output and command in output


def test_other_version_is_reported_as_untested(doctor):
    code, output = doctor(scipy='1.16.0', torch='2.14.1+cpu')
    assert code == 0 and re.search(r'^scipy +1\.16\.0 +\S+ +untested$', output, re.MULTILINE)
    assert re.search(r'^torch +2\.14\.1\+cpu +\S+ +ok$', output, re.MULTILINE)


def test_imports_are_tried_in_a_subprocess_that_may_crash(tmp_path, monkeypatch):
    (tmp_path / 'dies.py').write_text('import os; print("last words"); os.kill(os.getpid(), 11)')
    (tmp_path / 'raises.py').write_text('raise RuntimeError("numpy.dtype size changed")')
    (tmp_path / 'fine.py').write_text('print("chatty")')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')]))
    errors = find_import_errors(['fine', 'dies', 'raises', 'json', 'not_there'])
    assert errors.pop('not_there').startswith('ModuleNotFoundError')
    died, raised = 'the process died with code -11', 'RuntimeError: numpy.dtype size changed'
    assert errors == {'fine': '', 'json': '', 'dies': died, 'raises': raised}
    assert 'fine' not in sys.modules


def test_devices():
    assert 'run on the CPU' in device_note('0 not available') and 'run on the CPU' in device_note('0 13.0')
    assert device_note('2 13.0') == "2 GPU(s); mmcv's ops are built for CUDA 13.0."
    assert "2 GPU(s), but mmcv's ops are built for the CPU only" in device_note('2 not available')
