"""`vitpose token extract`: extract the trained knowledge token from a teacher's checkpoint."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import ExistingFileError, InputError
from .paths import check_readable

DESCRIPTION = "extract a trained knowledge token from a teacher's checkpoint"
EXAMPLES = """example:
  vitpose token extract \\
      work_dirs/vitpose-large-token-stage1_coco-256x192/epoch_5.pth \\
      --out work_dirs/tokens/vitpose-large_coco-256x192.npz

The file holds the token and its origin: the checkpoint's name and SHA-256, the
teacher's depth and width. A student loads it with
backbone=dict(knowledge_token=dict(init=FILE, frozen=True, width=...)); width is
the teacher's, and may be omitted if the student has the same width."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    texts: Any = dict(description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    extract = actions.add_parser('extract', help=DESCRIPTION, **texts)
    extract.add_argument('checkpoint', type=Path, metavar='CHECKPOINT', help="trained with freeze='all_but_token'")
    extract.add_argument('--out', type=Path, required=True, metavar='FILE', help='token file to write, *.npz')
    extract.add_argument('--overwrite', action='store_true', help='replace FILE if it exists')
    extract.set_defaults(title=extract.prog)


def run(args: argparse.Namespace) -> None:
    if args.out.suffix != '.npz':
        raise InputError(f'--out {args.out}: expected a name that ends in .npz')
    if args.out.exists() and not args.overwrite:
        raise ExistingFileError(f'{args.out} exists: pass another --out, or --overwrite')
    check_readable(args.checkpoint, 'checkpoint', folder=True)
    from vitpose_mm.backbones.token_file import extract_tokens, write_token_file
    from vitpose_mm.checkpoints.safe_load import load_weights

    tokens, origin = extract_tokens(load_weights(args.checkpoint), args.checkpoint)
    write_token_file(args.out, tokens, origin)
    teacher = f'a teacher of {origin["teacher_depth"]} blocks, SHA-256 {origin["sha256"][:12]}...'
    count = f'{origin["count"]} token(s) of width {origin["width"]}'
    print(f'{args.out}: {count}, from {origin["checkpoint"]} ({teacher})')
