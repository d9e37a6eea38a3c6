"""`vitpose check`: look for faults in the data of a config."""

import argparse
import sys
from pathlib import Path
from typing import Any

DESCRIPTION = """Read all images and annotations of a config's datasets and say what is wrong
with them, before days of training:

  missing and broken images; images in training and validation; boxes without
  area or outside the image; keypoints outside the image or far outside their
  box, NaN; instances without labels; left/right pairs that look swapped; images
  turned by EXIF data, grey, or of 16 bits"""

EPILOG = """examples:
  vitpose check my_mice/config.py
  vitpose check configs/coco/vitpose-base_coco-256x192.py

exit code: 0 if nothing serious was found (with --strict: nothing at all);
1 otherwise; 2 if the data cannot be read"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose check`."""
    parser = subparsers.add_parser(
        'check', description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, metavar='CONFIG', help='config of a model')
    parser.add_argument('--strict', action='store_true', help='exit code 1 for any finding')


def run(args: argparse.Namespace) -> int:
    """Check and print; see EPILOG for the exit code."""
    from ..own_data.checks import check
    from ..own_data.config_data import read_config_data
    from ..own_data.making import read_with_progress
    from ..predict.model import read_config

    try:
        datasets = read_config_data(read_config(args.config)[0])
    except (ValueError, OSError, KeyError) as problem:
        print('vitpose check:', ' '.join(str(problem).split()), file=sys.stderr)
        return 2
    code = 0
    for data in datasets:
        files = read_with_progress([photo.path for photos in data.parts.values() for photo in photos])
        findings = check(data.parts, data.mirror, data.names, files)
        for part, photos in data.parts.items():
            count = sum(len(photo.instances) for photo in photos)
            print(f'{data.name}, {part}: {len(photos):,} images, {count:,} instances')
        for finding in findings:
            print(f'- {"fault" if finding.serious else "check"}: {finding}')
        if any(finding.serious for finding in findings) or (args.strict and findings):
            code = 1
        elif not findings:
            print('- nothing found')
    return code
