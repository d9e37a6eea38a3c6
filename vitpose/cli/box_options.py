"""The options of --boxes."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from .paths import check_readable


def add_box_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to read --boxes."""
    add = parser.add_argument
    add('--images-json', type=Path, metavar='FILE', help='COCO file with the images of --boxes')
    add('--category', metavar='NAME', help='COCO category whose --boxes are used (default: person, if there is one)')
    add('--scale-boxes', action='store_true', help='scale --boxes that were made for images of another size')


def add_detector_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of --detector, which `read_detector_options` reads."""
    add = parser.add_argument
    add('--det-score', type=float, metavar='S', help='keep boxes with a higher score (default 0.3)')
    add(
        '--det-nms',
        type=float,
        metavar='IOU',
        help="of boxes that overlap more, keep the best (default: the detector's)",
    )
    add('--det-class', metavar='CLASS,...', help="what to find: names or numbers of the detector's classes")


def read_detector_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return these options as `detector_options` of `PosePredictor`; refuse numbers that are not between 0 and 1."""
    for name in ('det_score', 'det_nms'):
        if (value := getattr(args, name)) is not None and not 0 <= value <= 1:
            raise InputError(f'--{name.replace("_", "-")} {value}: expected a number from 0 to 1')
    classes = args.det_class and [int(each) if each.isdecimal() else each for each in args.det_class.split(',')]
    options = dict(score_threshold=args.det_score, nms_threshold=args.det_nms, categories=classes)
    return {name: value for name, value in options.items() if value is not None}


def check_box_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of --boxes as arguments of `read_boxes`; refuse unreadable files, and options without it."""
    check_readable(args.boxes, option='--boxes')
    check_readable(args.images_json, option='--images-json')
    options = {f'--images-json {args.images_json}': args.images_json, '--category': args.category}
    for option, value in (options | {'--scale-boxes': args.scale_boxes}).items():
        if value and not args.boxes:
            raise InputError(f'{option}: only with --boxes FILE')
    return dict(images_json=args.images_json, category=args.category, scale=args.scale_boxes)
