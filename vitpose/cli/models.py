"""`vitpose models`: models by name."""

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InputError, started
from ..models.catalogue import NamedModel
from ..models.names import DEFAULT, exported_file, find_files, model_file
from .paths import check_readable

DESCRIPTION = """List the models that a name stands for: the shipped one, and the checkpoints of
ViTPose that its authors, MMPose, easy_ViTPose and the hub of transformers have
published, with their publishers' scores and licenses.

  vitpose predict photo.jpg --model base          download once, and predict
  vitpose models --json                           with their URLs, for scripts
  vitpose models fetch base                       download into a folder
  vitpose models verify base --data data/coco     measure the score
  vitpose models export base                      for environments without torch

For a multi-dataset model, add the dataset after a colon: plus-base:ap10k.
owner/name of a transformers ViTPose on the Hugging Face hub also works, and so
does a folder in that format.

A download shows its progress, continues where it was interrupted, and is
checked against the published SHA-256, if there is one. Files are kept in
$VITPOSE_HOME, by default `vitpose` in your folder for caches; with
VITPOSE_OFFLINE=1 nothing is downloaded. The authors' files require a browser:
the message says where to save them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--json', action='store_true', help='print JSON')
    actions = parser.add_subparsers(dest='action', metavar='fetch|verify|export')
    fetch = actions.add_parser('fetch', help='download a checkpoint', description='Download a checkpoint.')
    text = "Test a model as `mim test` does, with flip test, and print its score next to the publisher's."
    verify = actions.add_parser('verify', help='measure the published score', description=text)
    text = 'Write the ONNX form of a model into the cache, once; without torch, its name uses it.'
    export = actions.add_parser('export', help='write the ONNX form into the cache', description=text)
    for action in (fetch, verify, export):
        action.add_argument('name', metavar='NAME', help='as `vitpose models` lists it')
    fetch.add_argument('--out', type=Path, metavar='DIR', help='folder (default: that of all downloads)')
    verify.add_argument('--data', type=Path, required=True, metavar='DIR', help='its dataset in the layout of MMPose')


def run(args: argparse.Namespace) -> None:
    from ..models.catalogue import find_model, read_catalogue

    models = read_catalogue()
    if args.action in ('fetch', 'verify') and args.name == DEFAULT:
        raise InputError(f'{args.name} is in the package: there is no file to download and no published score')
    if args.action == 'fetch':
        from ..models.download import download

        model, _ = find_model(args.name, models)
        with started():
            file, digest = download(model, args.out)
        print(f'{file}: ' + (f'SHA-256 begins with {digest}, as published' if digest else 'no hash is published'))
        print(f'{model.license}; load it with {model.config}')
    elif args.action == 'verify':
        check_readable(args.data, 'folder of the dataset', folder=True, option='--data')
        model, _ = find_model(args.name, models)
        if model.score is None:
            remedy = f'measure it with `mim test` and {model.config}'
            raise InputError(f'{model.name}: its publisher states no score; {remedy}')
        from ..bench.published_score import measure_score

        named = find_files(args.name)
        with started():
            score = measure_score(named, args.data, model.metric, _show_progress)
        both = f'{100 * score:.1f} measured, {100 * model.score:.1f} published: {100 * (score - model.score):+.1f}'
        print(f'{model.name}: {model.metric} {both}')
    elif args.action == 'export':
        if not (out := exported_file(args.name)).is_file():
            named = find_files(args.name)
            with started():
                _export(named, out)
        print(f'{out}: {out.stat().st_size / 1e6:.1f} MB; without torch, {args.name} uses it')
    elif args.json:
        print(json.dumps([asdict(model) for model in models], indent=1))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table('name', 'file', 'K', 'size', 'score', 'terms', 'config', box=None, padding=(0, 1))
        (stated,) = re.findall('^License: *(.+)$', model_file(DEFAULT, '.md').read_text('utf-8'), re.MULTILINE)
        models.sort(key=lambda model: (not model.short, 'plus-' in model.short))
        terms = list(dict.fromkeys([stated, *(model.license for model in models)]))
        table.add_row(DEFAULT, 'shipped', '', '', '', '1', '')
        for model in models:
            keypoints = ' '.join(map(str, model.keypoints))
            shown = 'not stated' if model.score is None else f'{model.metric} {100 * model.score:.1f} {model.dataset}'
            row = (model.short, model.name, keypoints, model.size, shown, str(1 + terms.index(model.license)))
            table.add_row(*row, model.config.removeprefix('configs/'))
        # no line breaks in a file or a pipe
        Console(width=None if sys.stdout.isatty() else 240).print(table)
        print("Scores are their publishers'. URLs: `vitpose models --json`. Terms of the weights, and of their data:")
        for number, text in enumerate(terms, 1):
            print(f'  {number}  {text}')


def _export(named: NamedModel, out: Path) -> None:
    from ..export.rendered_crops import crop_people
    from ..export.writing import COMPARED_CROPS, Target, write_file
    from ..predict.models.loading import load_model

    model: Any = load_model(named, device='cpu')  # in torch, which `find_files` found
    write_file(model, named.file, Target('onnx'), out, crop_people(model.crop_rule, COMPARED_CROPS))


def _show_progress(line: str) -> None:
    if 'Epoch(test)' in line:
        print(line.rstrip(), file=sys.stderr)
