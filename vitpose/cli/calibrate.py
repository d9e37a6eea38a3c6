"""`vitpose calibrate`: scores that are probabilities."""

import argparse
from pathlib import Path

from ..errors import InputError, started
from ..shipped import find_config
from .paths import check_readable
from .shared_options import add_config_options, add_device, parse_config_options

DESCRIPTION = """Make the scores of a model probabilities that a keypoint is right.

By default a keypoint's score is the maximum of its heatmap, which can also be
high for wrong keypoints. This trains a small network on the validation set of
CONFIG, with the model frozen, and stores it in CHECKPOINT, whose other weights
stay as they are. It predicts the probability that a keypoint is nearer to the
truth than 0.1 of the person's scale, and the expected OKS of the person. Every
prediction with CHECKPOINT, and every file exported from it, then has these
scores. OUT.reliability.svg shows how often keypoints of each score are right.

The people must not be training data. If the weights change, calibrate again."""

EPILOG = """examples:
  vitpose calibrate CONFIG work_dirs/run/best.pth
  vitpose calibrate CONFIG CHECKPOINT --data people.json --images photos/ --fast"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('config', type=find_config, metavar='CONFIG', help='config of the model')
    add('checkpoint', type=Path, metavar='CHECKPOINT', help='checkpoint of the model')
    add('--data', type=Path, metavar='FILE', help="COCO annotations (default: CONFIG's validation set)")
    add('--images', type=Path, metavar='DIR', help='folder of the images of --data')
    add('--fast', action='store_true', help='only map the maxima, by isotonic regression')
    add('--out', type=Path, metavar='OUT', help='checkpoint to write (default: CHECKPOINT)')
    add('--dataset', metavar='NAME', help='which dataset of a multi-dataset model')
    add('--seed', type=int, default=0, metavar='S', help='random seed (default 0)')
    add_device(parser)
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    check_readable(args.config, 'config file')
    check_readable(args.checkpoint, 'checkpoint')
    check_readable(args.data, 'file of annotations', option='--data')
    check_readable(args.images, 'folder of images', folder=True, option='--images')
    if bool(args.data) != bool(args.images):
        raise InputError('expected --data with --images, or neither')
    out = args.out or args.checkpoint
    if out.suffix != args.checkpoint.suffix:
        raise InputError(f'--out {out}: expected a name that ends in {args.checkpoint.suffix}, as CHECKPOINT')
    from vitpose_base.files import check_writable, write_text

    from ..own_data.calibrating import calibrate, replace_data
    from ..predict.models.torch_model import read_config

    config, _ = read_config(args.config, parse_config_options(args.cfg_options))
    check_writable(out.parent)  # before predicting for minutes
    if args.data:
        replace_data(config, args.dataset, args.data, args.images)
    options = dict(fast=args.fast, dataset=args.dataset, device=args.device, seed=args.seed)
    with started():
        result = calibrate(config, args.checkpoint, out, **options)
    if result.warning:
        print(f'warning: {result.warning}')
    diagram = out.with_suffix('.reliability.svg')
    write_text(diagram, result.diagram)
    before, after = result.errors
    print(f'{result.people:,} people; expected calibration error on every fifth image: {before:.3f}, now {after:.3f}')
    print(f'{out}: with calibrated scores\n{diagram}')
