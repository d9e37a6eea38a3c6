import importlib
import logging
import os
import re
import subprocess
import sys
from unittest.mock import Mock

import pytest

from vitpose.cli import main as command
from vitpose.cli.main import COMMANDS, EPILOG, build_parser, main
from vitpose.errors import FailedError, VitPoseError, warn

DOCTOR = importlib.import_module('vitpose.cli.doctor')


@pytest.mark.parametrize('words', [[], *([name] for name in COMMANDS), ['token', 'extract']])
def test_help_fits_80_columns(words, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    with pytest.raises(SystemExit) as end:
        main([*words, '--help'])
    output = capsys.readouterr().out
    assert end.value.code == 0 and ' '.join(['usage: vitpose', *words]) in output
    assert [line for line in output.splitlines() if len(line) > 80] == []


def test_help_shows_subcommands_and_a_config_that_exists(root, capsys):
    assert main([]) == 0
    output = capsys.readouterr().out
    for text in (*COMMANDS, 'mim train mmpose', 'mim test mmpose', 'vitpose_mm/.mim/configs'):
        assert text in output
    (config,) = re.findall(r'configs/\S+\.py', EPILOG)
    assert (root / config).is_file()


def test_only_the_requested_subcommand_is_imported(monkeypatch):
    imported = []
    monkeypatch.setattr(command.importlib, 'import_module', lambda name: imported.append(name) or DOCTOR)
    build_parser()
    assert imported == []
    build_parser(['doctor'])
    assert imported == ['vitpose.cli.doctor']


def test_exit_code_is_that_of_the_subcommand(monkeypatch):
    monkeypatch.setattr(DOCTOR, 'run', Mock(side_effect=[7, None]))
    assert (main(['doctor']), main(['doctor'])) == (7, 0)


NO_RICH = ModuleNotFoundError("No module named 'rich'", name='rich')


def test_an_error_is_one_line(monkeypatch, capsys):
    for problem, code, message in (
        (ValueError('a:\n  b'), 2, 'a: b'),
        (KeyError('ViT is not in the registry'), 2, 'ViT is not in the registry'),
        (FileNotFoundError(2, 'No such file', 'a.py'), 2, "[Errno 2] No such file: 'a.py'"),
        (VitPoseError('a'), 2, 'a'),
        (FailedError('a'), 1, 'a'),
        (KeyboardInterrupt(), 130, 'interrupted'),
        (KeyboardInterrupt('finished frames are kept'), 130, 'interrupted; finished frames are kept'),
        (NO_RICH, 2, "No module named 'rich'; `vitpose doctor` says what is missing and how to install it"),
    ):
        monkeypatch.setattr(DOCTOR, 'run', Mock(side_effect=problem))
        assert (main(['doctor']), *capsys.readouterr()) == (code, '', f'vitpose doctor: {message}\n')


def test_warnings_are_bare_lines_on_stderr_while_a_command_runs(monkeypatch, capsys, caplog):
    monkeypatch.setattr(DOCTOR, 'run', lambda args: warn('100% of them'))
    for _ in range(2):
        assert (main(['doctor']), *capsys.readouterr()) == (0, '', '100% of them\n')
    assert not caplog.messages and not logging.getLogger('vitpose').handlers
    warn('in Python')
    assert caplog.messages == ['in Python'] and capsys.readouterr().err == ''


@pytest.mark.parametrize('words', ['export c.py run/best_1.pth {} --to onnx --out a.onnx', 'inspect run/best_1.pth {}'])
def test_several_checkpoints_of_a_glob_are_named(capsys, words):
    assert main(words.format('run/best_2.pth').split()) == 2
    assert 'pass one checkpoint, not several: run/best_2.pth' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(words.format('more').split())
    assert 'unrecognized arguments: more' in capsys.readouterr().err


@pytest.mark.parametrize('model', ['--config c.py --checkpoint', '--model'])
def test_further_checkpoints_of_a_glob_are_no_inputs(capsys, model):
    assert main(f'predict {model} run/best_1.pth run/best_2.pth photos'.split()) == 2
    assert capsys.readouterr().err == 'vitpose predict: pass one checkpoint, not several: run/best_2.pth\n'


def test_a_programming_error_keeps_its_traceback(monkeypatch):
    for problem in (KeyError('key'), TypeError('a'), RuntimeError('a'), ImportError('a', name='vitpose_mm.gone')):
        monkeypatch.setattr(DOCTOR, 'run', Mock(side_effect=problem))
        with pytest.raises(type(problem)) as raised:
            main(['doctor'])
        assert raised.value is problem


@pytest.mark.parametrize('words', ['--help', 'models', 'models --json', 'doctor --no-imports'])
def test_a_closed_pipe_is_quiet(root, words):
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, 'PYTHONPATH': str(root), 'PYTHONUNBUFFERED': ''}  # argparse ignores a failed write
    words = [sys.executable, '-m', 'vitpose', *words.split()]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, env=environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b'')
