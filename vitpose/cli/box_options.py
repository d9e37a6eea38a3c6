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


def check_box_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of --boxes as arguments of `read_boxes`; refuse unreadable files, and options without it."""
    check_readable(args.boxes, option='--boxes')
    check_readable(args.images_json, option='--images-json')
    options = {f'--images-json {args.images_json}': args.images_json, '--category': args.category}
    for option, value in (options | {'--scale-boxes': args.scale_boxes}).items():
        if value and not args.boxes:
            raise InputError(f'{option}: only with --boxes FILE')
    return dict(images_json=args.images_json, category=args.category, scale=args.scale_boxes)
