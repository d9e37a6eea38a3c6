"""`vitpose doctor`: it works where nothing else does, and names what mends it."""

import os
import re
import subprocess
import sys

import pytest

from vitpose_mm.cli import doctor, stack
from vitpose_mm.cli.doctor import examine, import_errors
from vitpose_mm.cli.known_bad import known_bad
from vitpose_mm.cli.main import main

PINS = stack.tested('tested')
GOOD = {name: version for name, version in PINS.items() if any(name in part.distributions for part in stack.PARTS)}
GOOD['setuptools'] = PINS['setuptools']


@pytest.fixture
def machine(monkeypatch):
    """A machine with the tested stack, on which everything imports; changes are by name."""

    def make(errors=None, **changes):
        versions = {**GOOD, **{name.replace('_', '-'): version for name, version in changes.items()}}
        versions = {name: version for name, version in versions.items() if version}
        monkeypatch.setattr(stack, 'installed', lambda: versions)
        monkeypatch.setattr(doctor, 'is_published_wheel', lambda name: False)
        monkeypatch.setattr(doctor, 'import_errors', lambda names: errors or {})
        monkeypatch.setattr(doctor, 'device_notes', lambda: [])
        monkeypatch.setenv('COLUMNS', '200')

    return make


def test_it_works_where_nothing_is_installed(root):
    """No site-packages at all: no torch, no mmpose, no rich, and no crash."""
    code = (
        f'import sys; sys.path.insert(0, {str(root)!r}); sys.argv = ["vitpose", "doctor"]\n'
        'from vitpose_mm.cli.main import main\n'
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
    assert 'Everything that is needed is there' in said and '2.14.1' in said


def test_this_environment_is_fine(capsys):
    """The tests run where `make test` or `make compat` put them, so doctor finds nothing wrong."""
    assert main(['doctor']) == 0, capsys.readouterr().out


def test_what_is_missing_is_named_with_its_command(machine, capsys):
    machine(onedl_mmcv=None)
    assert main(['doctor']) == 1
    said = capsys.readouterr().out
    assert f'onedl-mmcv is missing\n    {stack.mend("onedl-mmcv", PINS)}' in said


def test_the_command_for_mmcv_makes_a_compiler_that_is_told_c20_last(tmp_path):
    command = stack.mend('onedl-mmcv', PINS)
    assert command.endswith(f'MMCV_WITH_OPS=1 pip install --no-build-isolation onedl-mmcv=={PINS["onedl-mmcv"]}')
    script = command.replace('exec c++', 'exec echo').replace('pip install', "sh -c '$CXX -std=c++17 x.cpp' --")
    done = subprocess.run(['bash', '-c', script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == '-std=c++17 x.cpp -std=c++20\n'


def test_what_does_not_import_shows_its_own_error(machine, capsys):
    machine({'mmpose': 'ImportError: libGL.so.1: cannot open shared object'})
    assert main(['doctor']) == 1
    said = capsys.readouterr().out
    assert 'mmpose is broken: ImportError: libGL.so.1' in said and 'pip install --no-deps mmpose==1.3.2' in said


def test_an_optional_part_may_be_missing(machine):
    machine(tensorboard=None, transformers=None, onedl_mmpretrain=None)
    assert main(['doctor']) == 0


def test_another_version_is_told_apart_and_allowed():
    rows = {row.name: row for row in examine({**GOOD, 'scipy': '1.16.0', 'torch': '2.14.1+cpu'}, PINS, {})}
    assert (rows['scipy'].state, rows['scipy'].installed) == ('untested', '1.16.0')
    assert rows['torch'].state == 'ok'


def test_openmmlabs_own_packages_are_held_against_the_legacy_stack():
    assert stack.stack_of(GOOD) == 'tested'
    assert stack.stack_of({'mmcv': '2.1.0'}) == 'legacy'
    assert stack.tested('legacy')['mmcv'] == '2.1.0'


def test_brackets_in_an_error_are_shown_as_they_are(machine, capsys):
    machine({'mmpose': "KeyError: '[/red] is not in [names]'"})
    main(['doctor'])
    assert capsys.readouterr().out.count('[/red] is not in [names]') == 2


@pytest.mark.parametrize(
    ('changes', 'wheel', 'words'),
    [
        ({'mmengine': '0.10.7'}, False, ['mmengine 0.10.7 with torch 2.14.1', 'resumed']),
        ({}, True, ['xtcocotools 1.14.3 with numpy 2.2.6', '--no-binary xtcocotools']),
        ({'mmdet': '3.3.0'}, False, ['mmdet 3.3.0 with onedl-mmcv 2.3.6', 'refuses']),
        ({'transformers': '5.23.0'}, False, ['onedl-mmpretrain 1.3.6 with transformers 5.23.0', '4.53.3']),
        ({'setuptools': '82.0'}, False, ['openmim 0.3.9 with setuptools 82.0', "'setuptools<81'"]),
        ({'torch': '2.1.2'}, False, ['torch 2.1.2 with numpy 2.2.6', "'numpy<2'"]),
        ({'onedl-mim': '0.4.0'}, False, ['onedl-mim', 'openmim==0.3.9']),
        ({'mmcv-lite': '2.1.0'}, False, ['mmcv-lite', 'no compiled ops']),
        ({'mmcv': '2.1.0'}, False, ['onedl-mmcv and mmcv', 'pip uninstall -y onedl-mmcv mmcv']),
    ],
)
def test_what_is_known_to_fail_is_named(changes, wheel, words):
    said = [' '.join(bad) for bad in known_bad({**GOOD, **changes}, PINS, wheel)]
    assert any(all(word in line for word in words) for line in said), said


@pytest.mark.parametrize(
    ('changes', 'wheel'),
    [
        ({}, False),
        ({'numpy': '1.26.4'}, True),
        ({'transformers': '4.57.6'}, False),
        ({'transformers': '5.0.0', 'onedl-mmpretrain': ''}, False),
    ],
)
def test_what_works_is_left_alone(changes, wheel):
    versions = {name: version for name, version in {**GOOD, **changes}.items() if version}
    assert known_bad(versions, PINS, wheel) == []


def test_the_legacy_stack_is_left_alone():
    assert known_bad(stack.tested('legacy'), stack.tested('legacy'), coco_wheel=True) == []


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


def test_pins_are_read_for_the_python_that_runs():
    text = "Foo_bar==1.0; python_version >= '3.11'\nfoo-bar==0.9; python_version < '3.11'\n# no==1\nbaz==2.0\n"
    assert stack.read_pins(text, (3, 12)) == {'foo-bar': '1.0', 'baz': '2.0'}
    assert stack.read_pins(text, (3, 10)) == {'foo-bar': '0.9', 'baz': '2.0'}
