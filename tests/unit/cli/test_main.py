"""`vitpose`: its help, and subcommands that are imported on demand."""

import importlib
import re

import pytest

from vitpose.cli import main as command
from vitpose.cli.main import COMMANDS, EPILOG, build_parser, main


@pytest.mark.parametrize('name', COMMANDS)
def test_every_subcommand_has_a_module_and_a_help(name, capsys):
    module = importlib.import_module(f'vitpose.cli.{name.replace("-", "_")}')
    assert callable(module.run)
    with pytest.raises(SystemExit) as end:
        main([name, '--help'])
    assert end.value.code == 0
    assert f'usage: vitpose {name}' in capsys.readouterr().out


@pytest.mark.parametrize('argv', [[], ['--help']])
def test_help_shows_subcommands_and_examples(argv, capsys):
    if argv:
        with pytest.raises(SystemExit):
            main(argv)
    else:
        assert main(argv) == 0
    output = capsys.readouterr().out
    for text in (*COMMANDS, 'mim train mmpose', 'mim test mmpose', 'vitpose_mm/.mim/configs'):
        assert text in output


@pytest.mark.parametrize('arguments', [[], *([name] for name in COMMANDS), ['token', 'extract']])
def test_help_fits_80_columns(arguments, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    with pytest.raises(SystemExit):
        main([*arguments, '--help'])
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_config_named_in_the_help_exists(root):
    (config,) = re.findall(r'configs/\S+\.py', EPILOG)
    assert (root / config).is_file()


def test_only_the_requested_subcommand_is_imported(monkeypatch):
    imported = []
    doctor = importlib.import_module('vitpose.cli.doctor')

    def record(name):
        imported.append(name)
        return doctor

    monkeypatch.setattr(command.importlib, 'import_module', record)
    build_parser()
    assert imported == []
    build_parser(['doctor'])
    assert imported == ['vitpose.cli.doctor']


def test_error_for_an_unknown_subcommand_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as end:
        main(['nonsense'])
    assert end.value.code == 2
    output = capsys.readouterr().err
    assert all(name in output for name in COMMANDS)


def test_exit_code_is_that_of_the_subcommand(monkeypatch):
    module = importlib.import_module('vitpose.cli.doctor')
    monkeypatch.setattr(module, 'run', lambda args: 7 if args.no_imports else None)
    assert main(['doctor', '--no-imports']) == 7
    assert main(['doctor']) == 0
