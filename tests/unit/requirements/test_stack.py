"""The installer's own decisions: order, flags, what is kept and what is thrown away."""

import os
import subprocess
import sys

import install
import pytest
import stack
from install import check_machine, choose
from interpreter import NoInterpreterError
from pins import STACKS
from stack import Installer
from steps import StepFailedError, is_done, run_steps


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty checkout, to make environments in."""
    monkeypatch.setattr(stack, 'ROOT', tmp_path)
    monkeypatch.setattr(install, 'ROOT', tmp_path)
    (tmp_path / 'setup.py').write_text('')
    return tmp_path


@pytest.fixture
def installer(checkout):
    """An installer of the tested stack there."""
    return Installer(STACKS['tested'], lock=0)


def names(steps):
    return [step.name for step in steps]


def test_the_order(installer):
    order = ['venv', 'tools', 'torch', 'libraries', 'mmcv', 'openmmlab', 'check', 'peers', 'package']
    assert names(installer.steps('3.11', peers=True, package=True)) == order
    assert names(installer.steps('3.11', peers=False, package=True)) == [n for n in order if n != 'peers']


@pytest.mark.parametrize('name', STACKS)
def test_another_torch_means_another_mmcv_and_no_new_tools(name, checkout):
    installer = Installer(STACKS[name], lock=0)
    before = {step.name: step.inputs for step in installer.steps('3.11', True, True)}
    installer.pins['torch'] = ['torch==9.9']
    after = {step.name: step.inputs for step in installer.steps('3.11', True, True)}
    assert {n for n in after if after[n] != before[n]} == {'torch', 'mmcv', 'check'}


def test_mmpose_goes_in_without_its_dependencies_and_held_to_the_pins(installer, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(installer, 'call', lambda log, command: calls.append(command))
    installer.setup.mkdir(parents=True)
    step = next(step for step in installer.steps('3.11', True, True) if step.name == 'openmmlab')
    step.action(tmp_path / 'log')
    (command,) = calls
    for flags in (['--no-deps', '--no-build-isolation', '--no-binary', 'xtcocotools'], ['-c']):
        assert [part for part in command if part in flags][: len(flags)] == flags
    assert 'mmpose==1.3.2' in (installer.setup / 'openmmlab.txt').read_text()


def test_pip_cannot_be_led_out_of_the_environment(installer, monkeypatch, tmp_path):
    for name in ('PYTHONPATH', 'PYTHONHOME', 'PIP_TARGET', 'PIP_PREFIX'):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv('PIP_USER', '1')
    monkeypatch.setenv('PIP_INDEX_URL', 'https://kept')
    installer.setup.mkdir(parents=True)
    log = tmp_path / 'log'
    installer.call(log, ['env'])
    said = log.read_text()
    assert 'PIP_USER=0' in said and 'PIP_INDEX_URL=https://kept' in said
    assert not any(name in said for name in ('PYTHONPATH', 'PYTHONHOME', 'PIP_TARGET', 'PIP_PREFIX'))


def test_a_half_installed_package_is_forgotten(installer):
    site = installer.venv / 'lib' / 'python3.11' / 'site-packages'
    for name, file in (('whole-1.0', 'INSTALLER'), ('half-1.0', 'METADATA')):
        (site / f'{name}.dist-info').mkdir(parents=True)
        (site / f'{name}.dist-info' / file).write_text('')
    installer.drop_halves()
    assert [path.name for path in site.iterdir()] == ['whole-1.0.dist-info']


def make_environment(installer):
    """Run the first step alone."""
    version = '{}.{}'.format(*sys.version_info)
    steps = installer.steps(version, False, False)[:1]
    return run_steps(steps, installer.setup)


def test_an_environment_is_made_kept_and_made_again_after_a_move(installer, checkout, monkeypatch):
    assert make_environment(installer) == 1
    pip = [installer.python, '-m', 'pip', '--version']
    assert str(checkout) in subprocess.run(pip, capture_output=True, text=True, check=True).stdout
    assert make_environment(installer) == 0

    # one that works but was made by hand is taken over
    (installer.setup / 'venv.stamp').unlink()
    (installer.venv / 'mine').write_text('')
    assert make_environment(installer) == 1
    assert (installer.venv / 'mine').exists()

    # a folder that moved holds scripts of the old place: it is made again, from the first step on
    (installer.setup / 'tools.stamp').write_text('done')
    moved = checkout / 'moved'
    moved.mkdir()
    os.rename(installer.venv, moved / '.venv')
    monkeypatch.setattr(stack, 'ROOT', moved)
    (moved / 'setup.py').write_text('')
    there = Installer(STACKS['tested'], lock=0)
    assert make_environment(there) == 1
    assert not (there.venv / 'mine').exists()
    assert not (there.setup / 'tools.stamp').exists()
    assert is_done(there.steps('{}.{}'.format(*sys.version_info), False, False)[0], there.setup)


def test_an_environment_broken_off_is_made_again(installer):
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', installer.venv], check=True)
    assert make_environment(installer) == 1
    subprocess.run([installer.python, '-m', 'pip', '--version'], capture_output=True, check=True)


def test_another_python_than_the_environments_is_refused(checkout, monkeypatch):
    own = checkout / '.venv' / 'bin' / 'python'
    chosen = checkout / 'python3.12'
    own.parent.mkdir(parents=True)
    for path, version in ((own, '3.11'), (chosen, '3.12')):
        path.write_text(f'#!/bin/sh\necho {version}\n')
        path.chmod(0o755)
    assert choose(STACKS['tested'], None) == (str(own), '3.11')
    with pytest.raises(NoInterpreterError, match='rm -rf .venv'):
        choose(STACKS['tested'], str(chosen))


def test_missing_compilers_headers_and_room_are_named_before_anything_runs(installer, monkeypatch):
    steps = installer.steps('3.11', False, False)
    monkeypatch.setattr(install, 'DISK_GB', 10**6)
    with pytest.raises(StepFailedError, match='make room'):
        check_machine(sys.executable, steps, installer.setup)
    monkeypatch.setattr(install, 'DISK_GB', 0)
    monkeypatch.setattr(install, 'HEADERS', 'print("nowhere")')
    with pytest.raises(StepFailedError, match='apt install python.*-dev'):
        check_machine(sys.executable, steps, installer.setup)
    monkeypatch.setenv('CXX', 'no-such-compiler')
    with pytest.raises(StepFailedError, match=r'no C\+\+ compiler \(no-such-compiler\)'):
        check_machine(sys.executable, steps, installer.setup)
    check_machine(sys.executable, [step for step in steps if step.name == 'check'], installer.setup)


def test_two_installations_do_not_run_at_once(checkout, tmp_path):
    """The second waits, and does not start while a command of a killed first one still runs."""
    code = (
        'import fcntl, subprocess, sys, time\n'
        f'lock = open({install.__file__!r})\n'
        'fcntl.flock(lock, fcntl.LOCK_EX)\n'
        "subprocess.Popen(['sleep', '2'], pass_fds=(lock.fileno(),))\n"
        'print("held", flush=True)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)  # ends, its child goes on
    done = subprocess.run(
        [sys.executable, install.__file__, 'tested', '--python', '/nowhere'],
        capture_output=True,
        text=True,
        env={**os.environ, 'PATH': ''},
    )
    assert 'waiting for it to end' in done.stdout
