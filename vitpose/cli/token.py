"""`vitpose token extract`: takes the trained knowledge token out of a teacher's checkpoint."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from .paths import check_readable

HELP = "take a trained knowledge token out of a teacher's checkpoint"
EXAMPLES = """example:
  vitpose token extract \\
      work_dirs/vitpose-large-token-stage1_coco-256x192/epoch_5.pth \\
      --out work_dirs/tokens/vitpose-large_coco-256x192.npz

The file holds the token and where it came from: the checkpoint's name and
SHA-256, the teacher's depth and width. A student takes it with
backbone=dict(knowledge_token=dict(init=FILE, frozen=True, width=...)); width is
the teacher's, and may be left out where the student's is the same."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser('token', help=HELP, description=HELP)
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    extract = actions.add_parser(
        'extract', help=HELP, description=HELP, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    extract.add_argument(
        'checkpoint', type=Path, metavar='CHECKPOINT', help="of a teacher trained with freeze='all_but_token'"
    )
    extract.add_argument('--out', type=Path, required=True, metavar='FILE', help='token file to write, *.npz')
    extract.set_defaults(title=extract.prog)


def run(args: argparse.Namespace) -> int:
    """Read, write, say what was written."""
    if args.out.suffix != '.npz':
        raise InputError(f'--out {args.out}: give a name that ends in .npz')
    check_readable(args.checkpoint, 'checkpoint', folder=True)
    from vitpose_mm.backbones.token_file import extract_tokens, write_token_file
    from vitpose_mm.checkpoints.safe_load import load_weights

    tokens, origin = extract_tokens(load_weights(args.checkpoint), args.checkpoint)
    write_token_file(args.out, tokens, origin)
    print(
        f'{args.out}: {origin["count"]} token(s) of width {origin["width"]}, of {origin["checkpoint"]} '
        f'(a teacher of {origin["teacher_depth"]} blocks, SHA-256 {origin["sha256"][:12]}...)'
    )
    return 0
