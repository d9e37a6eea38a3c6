"""`vitpose dataset`: turn a user's annotations into a dataset and a config."""

import argparse
import shlex
from pathlib import Path

from ..errors import InputError
from ..models.names import find_files, holds_model, is_name
from .paths import check_readable

DESCRIPTION = """Read annotated keypoints of people, animals or things, check and split them, and
write what `vitpose train OUT/config.py` trains on:

  OUT/config.py    the network and its training, to read and to edit
  OUT/metainfo.py  names, skeleton, left and right
  OUT/train.json val.json images/   COCO format; images are links, or copies
  OUT/preview.png  24 training samples, as the network sees them
  OUT/notes.txt    what was derived from the annotations, and why
  OUT/_base_/      the shipped configs that config.py inherits
  OUT/detector.py  with several objects per image: an MMDetection config

ANNOTATIONS is one of
  a COCO keypoint file (CVAT, Roboflow, Label Studio), or a folder with one
    for each split
  a YOLO-pose folder of Ultralytics, with data.yaml
  a DeepLabCut or Lightning Pose project, its config.yaml, or a
    CollectedData table
  a SLEAP project (.slp)
  a folder of labelme (X-AnyLabeling) files

With --category each, there is such a folder per category, OUT/NAME, and
OUT/config.py trains one network with a decoder for each.

An existing split is kept. Otherwise a tenth of the images is for validation;
frames of one video, recognized by folder or name, stay together."""

EPILOG = """examples:
  vitpose dataset mice.json --images photos/ --out my_mice
  vitpose dataset mouse-project/ --out my_mice --from base
  vitpose train my_mice/config.py

OUT is only written if the exit code is 0; it is 1 if --strict finds a
problem."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('annotations', type=Path, metavar='ANNOTATIONS', help='file or folder, see above')
    add('--images', type=Path, metavar='DIR', help='folder of the images')
    add('--out', type=Path, required=True, metavar='DIR', help='folder to write; must not exist')
    add('--category', metavar='NAME', help="which one, if keypoints differ; 'each': one model for all, see above")
    add('--val', type=float, default=0.1, metavar='SHARE', help='share of the images for validation (default 0.1)')
    add('--split-by', choices=('video', 'image'), default='video', help='what stays together (default video)')
    add('--seed', type=int, default=0, help='random seed of the split (default 0)')
    text = "network size; tiny: the shipped model at 3/4 of the input size, for a CPU (default: the checkpoint's)"
    add('--arch', choices=('tiny', 'small', 'base', 'large', 'huge'), help=text)
    text = "start from a name of `vitpose models`, a checkpoint, or 'scratch' (default: tiny; with another --arch MAE)"
    add('--from', dest='start', metavar='NAME|CHECKPOINT', help=text)
    add('--copy', action='store_true', help='copy the images instead of linking them')
    add('--scale-labels', action='store_true', help='images were resized after labeling: scale the labels')
    text = 'which image was labeled, where EXIF data rotate it and the annotations have width and height swapped'
    add('--exif', choices=('upright', 'stored'), help=text)
    add('--strict', action='store_true', help='write nothing if there is any finding')


def run(args: argparse.Namespace) -> None:
    if args.out.exists():
        raise InputError(f'--out {args.out} exists already: pass a new folder, or remove it')
    check_readable(args.annotations, 'file or folder', folder=True)
    check_readable(args.images, 'folder', folder=True, option='--images')
    if args.start not in (None, 'scratch') and is_name(args.start) and not holds_model(args.start):
        args.start = str(find_files(args.start, '.safetensors').file)
    if args.start not in (None, 'scratch'):
        check_readable(args.start, 'checkpoint', folder=True, option='--from')
    from ..own_data.reading.annotation_format import read_annotations

    datasets = read_annotations(args.annotations, args.images, args.category)
    from ..own_data import dataset_folder as folders  # imports torch: after the annotations are known to be good

    names = ('arch', 'start', 'val', 'seed', 'copy', 'strict', 'scale_labels', 'exif')
    options = dict({name: getattr(args, name) for name in names}, by_image=args.split_by == 'image', say=print)
    parts = [args.out]
    if len(datasets) > 1:
        parts = [args.out / name for name in folders.make_joint_dataset(datasets, args.out, **options)]
    else:
        folders.make_dataset(datasets[0], args.out, **options)
    previews = ', '.join(str(part / 'preview.png') for part in parts)
    print(f'check {previews}, then run')
    for config in (args.out / 'config.py', *(part / 'detector.py' for part in parts)):
        if config.is_file():
            print(f'  vitpose train {shlex.quote(str(config))}')
