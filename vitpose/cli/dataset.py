"""`vitpose dataset`: turn a user's annotations into a dataset and a config."""

import argparse
import sys
from pathlib import Path

from ..errors import InputError
from .check import read_with_progress
from .paths import check_readable

DESCRIPTION = """Read annotated keypoints of people, animals or things, check and split them, and
write what `mim train mmpose OUT/config.py` trains on:

  OUT/config.py    the network and its training, to read and to edit
  OUT/metainfo.py  names, skeleton, left and right
  OUT/train.json val.json images/   COCO format; images are links, or copies
  OUT/preview.png  24 training samples, as the network sees them
  OUT/_base_/      the shipped configs that config.py inherits

ANNOTATIONS is one of
  a COCO keypoint file (CVAT, Roboflow, Label Studio), or a folder with one
    for each split
  a YOLO-pose folder of Ultralytics, with data.yaml
  a DeepLabCut project of one animal, or a CollectedData csv

An existing split is kept. Otherwise a tenth of the images is for validation;
frames of one video, recognized by folder or name, stay together."""

EPILOG = """examples:
  vitpose dataset mice.json --images photos/ --out my_mice
  vitpose dataset mouse-project/ --out my_mice --from vitpose-base.pth
  mim train mmpose my_mice/config.py

exit code: 0 on success; 1 if --strict and there is a finding; 2 if the
annotations cannot be used. Nothing is written unless the exit code is 0."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `vitpose dataset`."""
    parser.add_argument('annotations', type=Path, metavar='ANNOTATIONS', help='file or folder, see above')
    parser.add_argument('--images', type=Path, metavar='DIR', help='folder of the images')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write; must not exist')
    text = "which one, if their keypoints differ; 'each' writes one dataset per category"
    parser.add_argument('--category', metavar='NAME', help=text)
    text = 'share of the images for validation (default 0.1)'
    parser.add_argument('--val', type=float, default=0.1, metavar='SHARE', help=text)
    text = 'what stays together in the split (default video)'
    parser.add_argument('--split-by', choices=('video', 'image'), default='video', help=text)
    parser.add_argument('--seed', type=int, default=0, help='random seed of the split (default 0)')
    text = "size of the network (default: the checkpoint's, or base)"
    parser.add_argument('--arch', choices=('small', 'base', 'large', 'huge'), help=text)
    text = "start from this checkpoint, or from 'scratch' (default: MAE, which MMPose downloads)"
    parser.add_argument('--from', dest='start', metavar='CHECKPOINT', help=text)
    parser.add_argument('--copy', action='store_true', help='copy the images instead of linking them')
    parser.add_argument('--strict', action='store_true', help='write nothing if there is any finding')


def run(args: argparse.Namespace) -> int:
    """Read, check, write; see EPILOG for the exit code."""
    if args.out.exists():
        raise InputError(f'--out {args.out} exists already: pass a new folder, or remove it')
    check_readable(args.annotations, 'file or folder', folder=True)
    check_readable(args.images, 'folder', folder=True, option='--images')
    if args.start not in (None, 'scratch'):
        check_readable(args.start, 'checkpoint', folder=True, option='--from')
    from ..own_data.reading.annotation_format import EACH, read_annotations

    datasets = read_annotations(args.annotations, args.images, args.category)
    from ..own_data.dataset_folder import make_dataset  # imports torch: after the annotations are known to be good

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
        print(f'{folder}: check preview.png, then run\n  mim train mmpose {folder}/config.py')
    return 0
