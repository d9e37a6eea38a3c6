"""`vitpose models`: published checkpoints of ViTPose."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ..errors import started

DESCRIPTION = """List the checkpoints of ViTPose that its authors, MMPose and the hub of
transformers have published, with their publishers' scores, or download one:

  vitpose models --json                           with their URLs, for scripts
  vitpose models fetch mmpose/vitpose-base_coco   download one

A download shows its progress and is checked against the published SHA-256, if
there is one. The authors' files require a browser to download; their addresses
are printed."""

EPILOG = """The shipped config of each model loads the file without conversion:
  vitpose predict photos/ --config CONFIG --checkpoint FILE --out poses"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--json', action='store_true', help='print JSON')
    actions = parser.add_subparsers(dest='action', metavar='fetch')
    fetch = actions.add_parser('fetch', help='download a checkpoint', description='Download a checkpoint.')
    fetch.add_argument('name', metavar='NAME', help='as `vitpose models` lists it')
    fetch.add_argument('--out', type=Path, default=Path('checkpoints'), metavar='DIR', help='(default %(default)s)')


def run(args: argparse.Namespace) -> None:
    from ..models.catalogue import find_model, read_catalogue

    models = read_catalogue()
    if args.action == 'fetch':
        from ..models.download import download

        model = find_model(args.name, models)
        with started():
            file, digest = download(model, args.out)
        print(f'{file}: ' + (f'SHA-256 begins with {digest}, as published' if digest else 'no hash is published'))
        print(f'{model.license}; load it with {model.config}')
    elif args.json:
        print(json.dumps([asdict(model) for model in models], indent=1))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table('name', 'K', 'size', 'score', 'config', box=None, padding=(0, 1))
        for model in models:
            keypoints = ' '.join(map(str, model.keypoints))
            score = f'{model.metric} {100 * model.score:.1f} {model.dataset}'
            table.add_row(model.name, keypoints, model.size, score, model.config.removeprefix('configs/'))
        # no line breaks in a file or a pipe
        Console(width=None if sys.stdout.isatty() else 240).print(table)
        print("Scores are their publishers'. All are Apache-2.0. URLs: `vitpose models --json`")
