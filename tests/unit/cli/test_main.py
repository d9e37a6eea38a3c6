"""`vitpose`: its help, and subcommands that are imported one at a time."""

import importlib
import re

import pytest

from vitpose.cli import main as command
from vitpose.cli.main import COMMANDS, EPILOG, build_parser, main


@pytest.mark.parametrize('name', COMMANDS)
def test_every_subcommand_is_a_file_that_says_what_it_does(name, capsys):
    module = importlib.import_module(f'vitpose.cli.{name.replace("-", "_")}')
    assert callable(module.run)
    with pytest.raises(SystemExit) as end:
        main([name, '--help'])
    assert end.value.code == 0
    assert f'usage: vitpose {name}' in capsys.readouterr().out


@pytest.mark.parametrize('argv', [[], ['--help']])
def test_help_teaches(argv, capsys):
    if argv:
        with pytest.raises(SystemExit):
            main(argv)
    else:
        assert main(argv) == 0
    said = capsys.readouterr().out
    for words in (*COMMANDS, 'mim train mmpose', 'mim test mmpose', 'vitpose_mm/.mim/configs'):
        assert words in said


@pytest.mark.parametrize('words', [[], *([name] for name in COMMANDS), ['token', 'extract']])
def test_help_fits_a_terminal_of_80_columns(words, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    with pytest.raises(SystemExit):
        main([*words, '--help'])
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_the_config_that_help_names_is_there(root):
    (config,) = re.findall(r'configs/\S+\.py', EPILOG)
    assert (root / config).is_file()


def test_only_the_wanted_subcommand_is_imported(monkeypatch):
    asked = []

    doctor = importlib.import_module('vitpose.cli.doctor')

    def note(name):
        asked.append(name)
        return doctor

    monkeypatch.setattr(command.importlib, 'import_module', note)
    build_parser()
    assert asked == []
    build_parser(['doctor'])
    assert asked == ['vitpose.cli.doctor']


def test_an_unknown_subcommand_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as end:
        main(['nonsense'])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert all(name in said for name in COMMANDS)


def test_the_exit_code_is_the_subcommands(monkeypatch):
    module = importlib.import_module('vitpose.cli.doctor')
    monkeypatch.setattr(module, 'run', lambda args: 7 if args.no_imports else None)
    assert main(['doctor', '--no-imports']) == 7
    assert main(['doctor']) == 0
