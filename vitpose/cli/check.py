"""`vitpose check`: look for faults in the data of a config."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .paths import check_readable

if TYPE_CHECKING:
    from ..own_data.checks import ImageFile

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
    parser = subparsers.add_parser('check', description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument('config', type=Path, metavar='CONFIG', help='config of a model')
    parser.add_argument('--strict', action='store_true', help='exit code 1 for any finding')


def run(args: argparse.Namespace) -> int:
    """Check and print; see EPILOG for the exit code."""
    check_readable(args.config, 'config file')
    from ..own_data.checks import check
    from ..own_data.config_data import read_config_data
    from ..predict.models.torch_model import read_config

    code = 0
    for data in read_config_data(read_config(args.config)[0]):
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


def read_with_progress(paths: Sequence[Path]) -> 'dict[Path, ImageFile]':
    """Read image files with a progress bar; see `read_files`."""
    from rich.console import Console
    from rich.progress import Progress

    from ..own_data.checks import read_files

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task('reading images', total=len(paths))
        return read_files(paths, lambda: progress.advance(task))
