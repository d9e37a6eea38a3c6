"""`vitpose doctor`: what is installed, what was tested, what is missing, and how to fix it."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .paths import check_readable

if TYPE_CHECKING:
    from ..doctor.report import Row


def add_parser(subparsers: Any) -> None:
    """Add ``vitpose doctor``."""
    parser = subparsers.add_parser(
        'doctor',
        help='what is installed, what was tested, what is missing, and how to fix it',
        description='Compare the installed packages with the tested versions, import each, and print '
        'the command that fixes what is missing, broken or known to fail; then the exit code is 1. '
        'With CONFIG, list instead the files that it names and that are missing.',
        formatter_class=argparse.HelpFormatter,
    )
    parser.add_argument('config', nargs='?', metavar='CONFIG', help='check that its data and weights exist')
    parser.add_argument('--cfg-options', nargs='+', metavar='KEY=VALUE', help='overrides of CONFIG, as in `mim train`')
    parser.add_argument('--no-imports', action='store_true', help='compare versions only (one second, not ten)')


def look_for_files(args: argparse.Namespace) -> int:
    """Print what a config names and does not exist; return 1 if there is something."""
    check_readable(args.config, 'config file')
    try:
        from mmengine.config import Config, DictAction

        from ..doctor.config_files import missing_files

        options = argparse.ArgumentParser()
        options.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
        words = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
        config = Config.fromfile(args.config, import_custom_modules=False)
        config.merge_from_dict(options.parse_args(words).cfg_options)
    except Exception as problem:  # a config is a program, and may raise anything
        raise InputError(f'{args.config}: {type(problem).__name__}: {problem}') from problem
    missing = missing_files(config)
    print(*missing.values() or [f'{args.config}: every file that it names is there.'], sep='\n')
    return 1 if missing else 0


def run(args: argparse.Namespace) -> int:
    """Examine the stack, or look for a config's files; return 1 if something is wrong."""
    if args.config:
        return look_for_files(args)
    from ..doctor.report import report

    found = report(imports=not args.no_imports)
    show(found.rows, found.title)
    print(*found.lines, sep='\n')
    return int(not found.good)


def show(rows: 'Sequence[Row]', title: str) -> None:
    """Print the table, with rich where it is installed."""
    columns = ('part', 'installed', 'tested', 'state', 'note')
    cells = [(r.name, r.installed or '-', r.tested or '-', r.state, r.note[:200]) for r in rows]
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        print(title)
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for line in (columns, *cells):
            padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            print('  '.join(padded).rstrip())
        return
    colours = {'ok': 'green', 'untested': 'yellow', 'optional': 'dim'}
    table = Table(*columns, title=title)
    for line in cells:
        state = Text(line[3], style=colours.get(line[3], 'bold red'))
        table.add_row(*map(Text, line[:3]), state, Text(line[4]))
    Console().print(table)
