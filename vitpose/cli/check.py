"""`vitpose check`: find problems in the data of a config."""

import argparse

from ..shipped import find_config
from .paths import check_readable

DESCRIPTION = """Read all images and annotations of a config's datasets and report problems
before days of training:

  images that are missing or broken, in both training and validation, rotated by
  EXIF data, grayscale, or 16-bit; boxes without area or outside the image;
  keypoints outside the image or far outside their box, or NaN; instances
  without labels, or twice in an image; left/right pairs that look swapped;
  fields of the annotation file that training or evaluation takes for granted"""

EPILOG = """example: vitpose check my_mice/config.py
exit code: 1 if anything serious was found (with --strict: anything at all)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', type=find_config, metavar='CONFIG', help='config of a model')
    parser.add_argument('--strict', action='store_true', help='exit code 1 for any finding')


def run(args: argparse.Namespace) -> int:
    check_readable(args.config, 'config file')
    from ..own_data.checking.checked_images import read_files
    from ..own_data.checking.findings import Finding, find_data_problems
    from ..own_data.reading.config_datasets import read_config_datasets
    from ..predict.models.torch_model import read_config

    failed = False
    for dataset in read_config_datasets(read_config(args.config)[0]):
        files = read_files([photo.path for photos in dataset.splits.values() for photo in photos])
        findings = find_data_problems(dataset.splits, dataset.mirror, dataset.keypoint_names, files)
        if dataset.bad_fields:
            findings.insert(0, Finding('fields that the evaluation reads are wrong', True, dataset.bad_fields))
        for split, photos in dataset.splits.items():
            instances = sum(len(photo.instances) for photo in photos)
            print(f'{dataset.name}, {split}: {len(photos):,} images, {instances:,} instances')
        for finding in findings:
            print(f'- {"fault" if finding.serious else "check"}: {finding}')
            failed |= finding.serious or args.strict
        if not findings:
            print('- nothing found')
    return int(failed)
