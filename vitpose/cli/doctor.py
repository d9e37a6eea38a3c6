"""`vitpose doctor`: what is installed, what was tested, what is missing, and how to fix it."""

import argparse
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add ``vitpose doctor``."""
    parser = subparsers.add_parser(
        'doctor',
        help='what is installed, what was tested, what is missing, and how to fix it',
        description='Compare the installed packages with the tested versions, import each, and print '
        'the command that fixes what is missing, broken or known to fail; then the exit code is 1. '
        'With CONFIG, list instead the files that it names and that are missing.',
    )
    parser.add_argument('config', nargs='?', metavar='CONFIG', help='check that its data and weights exist')
    parser.add_argument('--cfg-options', nargs='+', metavar='KEY=VALUE', help='overrides of CONFIG, as in `mim train`')
    parser.add_argument('--no-imports', action='store_true', help='compare versions only (one second, not ten)')


def look_for_files(args: argparse.Namespace) -> int:
    """Print what a config names and does not exist; 1 if there is something, 2 if the config cannot be read."""
    try:
        from mmengine.config import Config, DictAction

        from ..doctor.config_files import missing_files

        options = argparse.ArgumentParser()
        options.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
        words = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
        config = Config.fromfile(args.config, import_custom_modules=False)
        config.merge_from_dict(options.parse_args(words).cfg_options)
    except Exception as problem:  # a config is a program, and may raise anything
        print(f'vitpose doctor: {args.config}: {type(problem).__name__}: {problem}', file=sys.stderr)
        return 2
    missing = missing_files(config)
    print(*missing.values() or [f'{args.config}: every file that it names is there.'], sep='\n')
    return 1 if missing else 0


def run(args: argparse.Namespace) -> int:
    """Examine the stack, or look for a config's files; 1 if something is wrong, 2 if the config cannot be read."""
    from ..doctor.report import report

    return look_for_files(args) if args.config else report(imports=not args.no_imports)
