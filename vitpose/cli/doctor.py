"""`vitpose doctor`: what is installed, what was tested, what is missing, and how to fix it."""

import argparse

from ..errors import InputError
from ..shipped import find_config
from .paths import check_readable
from .shared_options import add_config_options, parse_config_options

DESCRIPTION = """Compare the installed packages with the tested versions, import each, and print
the command that fixes what is missing, broken or known to fail; then the exit
code is 1. With CONFIG, list the missing files that it names instead."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = 'check that its data and weights exist'
    parser.add_argument('config', nargs='?', type=find_config, metavar='CONFIG', help=text)
    add_config_options(parser)
    parser.add_argument('--no-imports', action='store_true', help='compare versions only (one second instead of ten)')


def run(args: argparse.Namespace) -> int:
    if args.config:
        return _find_files(args)
    from ..doctor.stack_report import make_report

    title, rows, lines, good = make_report(imports=not args.no_imports)
    table = [('part', 'installed', 'tested', 'state', 'note')]
    table += [(row.name, row.installed or '-', row.tested or '-', row.state, row.note[:80]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print(title, *('  '.join(map(str.ljust, line, widths)).rstrip() for line in table), *lines, sep='\n')
    return int(not good)


def _find_files(args: argparse.Namespace) -> int:
    """Print the missing files that a config names; return 1 if there are any."""
    check_readable(args.config, 'config file')
    try:
        from mmengine.config import Config

        from ..doctor.config_files import find_missing_files

        config = Config.fromfile(args.config, import_custom_modules=False)
        config.merge_from_dict(parse_config_options(args.cfg_options))
    except Exception as problem:  # a config is a program, and may raise anything
        raise InputError(f'{args.config}: {type(problem).__name__}: {problem}') from problem
    missing = find_missing_files(config)
    print(*missing.values() or [f'{args.config}: every file that it names exists.'], sep='\n')
    return int(bool(missing))
