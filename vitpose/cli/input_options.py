"""The options of --boxes and detectors, and of videos, cameras and streams."""

import argparse
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..errors import InputError
from .paths import check_readable
from .shared_options import check_positive


def add_input_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('videos, cameras and streams').add_argument
    add('--start', default='0', metavar='TIME', help='begin videos there: seconds, m:ss or h:mm:ss')
    add('--end', default='inf', metavar='TIME', help='end videos before that time')
    add('--stride', type=int, default=1, metavar='N', help='predict each Nth frame of videos (default 1)')
    text = 'predict every frame of cameras and streams (default: only the newest; frames that arrive during prediction '
    text += 'are dropped)'
    add('--every-frame', action='store_true', help=text)
    text = 'seconds to try to reopen a broken stream (default 10)'
    add('--reconnect', type=float, default=10, metavar='S', help=text)
    add('--track', action='store_true', help='give people ids that they keep from frame to frame')
    text = 'with --track: fill gaps, and remove jitter with a One-Euro filter; not in images'
    add('--smooth', action='store_true', help=text)
    add('--max-gap', type=int, default=5, metavar='N', help='longest gap in frames that --smooth fills (default 5)')


def read_input_options(args: argparse.Namespace, kinds: Collection[str]) -> dict[str, Any]:
    """Return the options of `read_frames`. ValueError if they have no use for sources of these kinds."""
    check_positive(args, 'stride')
    part = dict(start=_seconds('--start', args.start), end=_seconds('--end', args.end), stride=args.stride)
    live = {'every_frame': args.every_frame, 'reconnect': args.reconnect} if 'live' in kinds else {}
    is_part = part != dict(start=0, end=math.inf, stride=1)
    for problem, is_wrong in {
        f'--start {args.start} --end {args.end}: expected a start before the end': part['start'] >= part['end'],
        '--start, --end, --stride: only for videos, not for cameras and streams': is_part
        and ('video' not in kinds or 'live' in kinds),
        '--every-frame: only for cameras and streams': args.every_frame and not live,
        '--smooth: only with --track, which tells who is who': args.smooth and not args.track,
        f'--reconnect {args.reconnect}: expected at least 0': not args.reconnect >= 0,
        f'--max-gap {args.max_gap}: expected at least 0': args.max_gap < 0,
    }.items():
        if is_wrong:
            raise InputError(problem)
    return live | {'part': part}


def _seconds(option: str, text: str) -> float:
    try:
        parts = [float(part) for part in text.split(':')]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(part >= 0 for part in parts):
        raise InputError(f'{option} {text}: expected seconds, m:ss or h:mm:ss')
    return math.fsum(part * 60**i for i, part in enumerate(reversed(parts)))


def add_box_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('--images-json', type=Path, metavar='FILE', help='COCO file with the images of --boxes')
    add('--category', metavar='NAME', help='COCO category whose --boxes are used (default: person, if there is one)')
    add('--scale-boxes', action='store_true', help='scale --boxes that were made for images of another size')


def add_detector_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('--det-score', type=float, metavar='S', help='keep boxes with a higher score (default 0.3)')
    text = "of two boxes that overlap more than this, drop the one with the lower score (default: the detector's)"
    add('--det-nms', type=float, metavar='IOU', help=text)
    add('--det-class', metavar='CLASS,...', help="what to find: names or numbers of the detector's classes")


def read_detector_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return these options as `detector_options` of `PosePredictor`; refuse numbers that are not between 0 and 1."""
    for name in ('det_score', 'det_nms'):
        if (value := getattr(args, name)) is not None and not 0 <= value <= 1:
            raise InputError(f'--{name.replace("_", "-")} {value}: expected a number from 0 to 1')
    words = None if args.det_class is None else args.det_class.split(',')
    classes = words and [int(each) if each.isdecimal() else each for each in words]
    options = dict(score_threshold=args.det_score, nms_threshold=args.det_nms, categories=classes)
    return {name: value for name, value in options.items() if value is not None}


def open_given_detector(args: argparse.Namespace) -> dict[str, Any]:
    """Return `detector` and `detector_options` of `PosePredictor` for --detector and its options."""
    options = read_detector_options(args)
    if not args.detector or len(args.detector) == 1:
        return dict(detector=args.detector[0] if args.detector else 'auto', detector_options=options)
    from ..predict.detection.onnx_detector import open_detector

    return dict(detector=open_detector(*args.detector, device=args.device, **options))


def read_box_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of --boxes as arguments of `read_boxes`; refuse unreadable files, and options without it."""
    check_readable(args.boxes, option='--boxes')
    check_readable(args.images_json, option='--images-json')
    options = {f'--images-json {args.images_json}': args.images_json, '--category': args.category}
    for option, value in (options | {'--scale-boxes': args.scale_boxes}).items():
        if value and not args.boxes:
            raise InputError(f'{option}: only with --boxes FILE')
    return dict(images_json=args.images_json, category=args.category, scale=args.scale_boxes)
