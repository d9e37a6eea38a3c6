"""`vitpose doctor`: what is installed, what was tested, what is missing, and how to fix it."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InputError
from .paths import check_readable
from .shared_options import add_config_options, parse_config_options

if TYPE_CHECKING:
    from ..doctor.stack_report import Row


DESCRIPTION = """Compare the installed packages with the tested versions, import each, and print
the command that fixes what is missing, broken or known to fail; then the exit
code is 1. With CONFIG, list the missing files that it names instead."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `vitpose doctor`."""
    parser.add_argument('config', nargs='?', metavar='CONFIG', help='check that its data and weights exist')
    add_config_options(parser)
    parser.add_argument('--no-imports', action='store_true', help='compare versions only (one second instead of ten)')


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
    return 1 if missing else 0


def run(args: argparse.Namespace) -> int:
    """Examine the stack, or find a config's missing files; return 1 if something is wrong."""
    if args.config:
        return _find_files(args)
    from ..doctor.stack_report import make_report

    report = make_report(imports=not args.no_imports)
    _show(report.rows, report.title)
    print(*report.lines, sep='\n')
    return int(not report.good)


def _show(rows: 'Sequence[Row]', title: str) -> None:
    """Print the table, with rich where it is installed."""
    columns = ('part', 'installed', 'tested', 'state', 'note')
    cells = [(r.name, r.installed or '-', r.tested or '-', r.state, r.note[:200]) for r in rows]
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        lines = ('  '.join(map(str.ljust, line, widths)).rstrip() for line in (columns, *cells))
        print(title, *lines, sep='\n')
        return
    colors = {'ok': 'green', 'untested': 'yellow', 'optional': 'dim'}
    table = Table(*columns, title=title)
    for *line, state, note in cells:
        table.add_row(*map(Text, line), Text(state, style=colors.get(state, 'bold red')), Text(note))
    Console().print(table)
