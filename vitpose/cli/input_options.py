"""The options of videos, cameras and streams."""

import argparse
import math
from collections.abc import Collection
from typing import Any

from ..errors import InputError
from .shared_options import check_positive


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `read_input_options` reads."""
    group = parser.add_argument_group('videos, cameras and streams')
    add = group.add_argument
    add('--start', metavar='TIME', help='begin videos there: seconds, m:ss or h:mm:ss')
    add('--end', metavar='TIME', help='end videos before that time')
    add('--stride', type=int, default=1, metavar='N', help='predict each Nth frame of videos (default 1)')
    text = 'of cameras and streams; by default the newest frame is predicted and those that came meanwhile are dropped'
    add('--every-frame', action='store_true', help=text)
    text = 'try for that long to open a stream again that broke off (default 10)'
    add('--reconnect', type=float, default=10, metavar='S', help=text)
    add('--track', action='store_true', help='give people ids that they keep from frame to frame')
    text = 'with --track: fill gaps, and remove jitter with a One-Euro filter; not in images'
    add('--smooth', action='store_true', help=text)
    add('--max-gap', type=int, default=5, metavar='N', help='longest gap in frames that --smooth fills (default 5)')


def read_input_options(args: argparse.Namespace, kinds: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of videos for `read_video`, and those of cameras and streams for `read_live`.

    ValueError if they have no use for sources of these kinds.
    """
    check_positive(args, 'stride')
    start, end = _seconds('--start', args.start or '0'), _seconds('--end', args.end or 'inf')
    if start >= end:
        raise InputError(f'--start {args.start} --end {args.end}: expected a start before the end')
    if (args.start or args.end or args.stride > 1) and ('video' not in kinds or 'live' in kinds):
        raise InputError('--start, --end, --stride: only for videos, not for cameras and streams')
    if args.every_frame and 'live' not in kinds:
        raise InputError('--every-frame: only for cameras and streams')
    if args.smooth and not args.track:
        raise InputError('--smooth: only with --track, which tells who is who')
    for name in ('reconnect', 'max_gap'):
        if getattr(args, name) < 0:
            raise InputError(f'--{name.replace("_", "-")} {getattr(args, name)}: expected at least 0')
    live = {'every_frame': args.every_frame, 'reconnect': args.reconnect} if 'live' in kinds else {}
    return dict(start=start, end=end, stride=args.stride), live


def _seconds(option: str, text: str) -> float:
    try:
        parts = [float(part) for part in text.split(':')]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(part >= 0 for part in parts):
        raise InputError(f'{option} {text}: expected seconds, m:ss or h:mm:ss')
    return math.fsum(part * 60**i for i, part in enumerate(reversed(parts)))
