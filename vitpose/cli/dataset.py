"""`vitpose dataset`: from a user's annotations to a dataset and a config to train with."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError
from .check import read_with_progress
from .paths import check_readable

DESCRIPTION = """Read annotated keypoints of people, animals or things, check and split them, and
write what `mim train mmpose OUT/config.py` trains on:

  OUT/config.py    the network and its training, to read and to change
  OUT/metainfo.py  names, skeleton, left and right
  OUT/train.json val.json images/   COCO's form; images are links, or copies
  OUT/preview.png  24 training samples, as the network sees them
  OUT/_base_/      the shipped configs that config.py inherits

ANNOTATIONS is one of
  a COCO keypoint file (CVAT, Roboflow, Label Studio), or a folder with one
    for each split
  a YOLO-pose folder of Ultralytics, with data.yaml
  a DeepLabCut project of one animal, or a CollectedData csv

A split of the annotations is kept. Otherwise a tenth of the images is for
validation; frames of one video, by folder or name, stay on one side."""

EPILOG = """examples:
  vitpose dataset mice.json --images photos/ --out my_mice
  vitpose dataset mouse-project/ --out my_mice --from vitpose-base.pth
  mim train mmpose my_mice/config.py

exit code: 0 if all is well; 1 if --strict and something was found; 2 if the
annotations cannot be used. Nothing is written unless the exit code is 0."""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose dataset`."""
    parser = subparsers.add_parser('dataset', description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument('annotations', type=Path, metavar='ANNOTATIONS', help='file or folder, see above')
    parser.add_argument('--images', type=Path, metavar='DIR', help='folder of the images')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write; must not exist')
    parser.add_argument(
        '--category', metavar='NAME', help="which one, if their keypoints differ; 'each' writes a dataset for each"
    )
    parser.add_argument('--val', type=float, default=0.1, metavar='SHARE', help='of the images (default 0.1)')
    parser.add_argument(
        '--split-by', choices=('video', 'image'), default='video', help='what stays on one side (default video)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the split (default 0)')
    parser.add_argument(
        '--arch',
        choices=('small', 'base', 'large', 'huge'),
        help="size of the network (default: the checkpoint's, else base)",
    )
    parser.add_argument(
        '--from',
        dest='start',
        metavar='CHECKPOINT',
        help="what to start from: a checkpoint of a pose model; 'scratch'; default: MAE, which MMPose downloads",
    )
    parser.add_argument('--copy', action='store_true', help='copy the images instead of linking them')
    parser.add_argument('--strict', action='store_true', help='write nothing if a check finds something')


def run(args: argparse.Namespace) -> int:
    """Read, check, write; see EPILOG for the exit code."""
    if args.out.exists():
        raise InputError(f'--out {args.out} exists already: pass a new folder, or remove it')
    check_readable(args.annotations, 'file or folder', folder=True)
    check_readable(args.images, 'folder', folder=True, option='--images')
    if args.start not in (None, 'scratch'):
        check_readable(args.start, 'checkpoint', folder=True, option='--from')
    from ..own_data.reading import EACH, read_annotations

    datasets = read_annotations(args.annotations, args.images, args.category)
    from ..own_data.making import make_dataset

    folders = [args.out / annotations.category if args.category == EACH else args.out for annotations in datasets]
    for annotations, folder in zip(datasets, folders, strict=True):
        make_dataset(
            annotations,
            folder,
            arch=args.arch,
            start=args.start,
            val=args.val,
            by_image=args.split_by == 'image',
            seed=args.seed,
            copy=args.copy,
            strict=args.strict,
            say=lambda line, problem: print(line, file=sys.stderr if problem else sys.stdout),
            read=read_with_progress,
        )
    for folder in folders:
        print(f'{folder}: look at preview.png, then\n  mim train mmpose {folder}/config.py')
    return 0
