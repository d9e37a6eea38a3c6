"""`vitpose eval`: scores of finished predictions."""

import argparse
import json
from pathlib import Path

from ..errors import printable
from ..runs.table import figures_table
from .paths import check_readable

DESCRIPTION = """Score finished predictions against COCO annotations, without a model: AP, AR,
PCK, AUC and the error in pixels as `mim test` gives them, and the error and PCK
of each keypoint.

PREDICTIONS is predictions.jsonl of `vitpose predict`, or keypoints.json beside
it. People in images of FILE without predictions count as missed. PCK, AUC and
error use for each annotated person the predicted box that overlaps most; people
without such a box count as wrong in PCK and AUC and not in the error."""

EPILOG = """examples:
  vitpose predict val2017/ --boxes person_keypoints_val2017.json --out poses
  vitpose eval poses/predictions.jsonl --ann person_keypoints_val2017.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('predictions', type=Path, metavar='PREDICTIONS', help='predictions.jsonl or keypoints.json')
    add('--ann', type=Path, required=True, metavar='FILE', help='COCO annotations')
    add('--json', action='store_true', help='print JSON')


def run(args: argparse.Namespace) -> None:
    check_readable(args.predictions, 'file of predictions')
    check_readable(args.ann, option='--ann')
    from ..predict.evaluation import KEYPOINT_HEADINGS, evaluate, score_text

    scores, notes = evaluate(args.predictions, args.ann)
    if args.json:
        print(json.dumps(scores | {'notes': notes}, indent=1))
        return
    from rich.console import Console

    keypoints = scores.pop('keypoints')
    total = figures_table(printable(f'{args.predictions} against {args.ann}'), '', 'score')
    for name, value in scores.items():
        total.add_row(name + ' (pixels)' * (name == 'EPE'), score_text(value))
    parts = figures_table('Keypoints', *KEYPOINT_HEADINGS)
    for name, values in keypoints.items():
        parts.add_row(printable(name), *map(score_text, values.values()))
    Console(markup=False, emoji=False).print(total, parts, sep='')
    for note in notes:
        print(printable(note))
