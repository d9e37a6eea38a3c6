"""`vitpose synth`: render synthetic data."""

import argparse
from pathlib import Path

from .shared_options import add_rendering

DESCRIPTION = """Render images of people or animals with exact keypoints and write them in the
annotation format of a dataset:

  OUT/train/*.jpg  OUT/annotations/train.json
  OUT/val/*.jpg    OUT/annotations/val.json

  --kind coco       17 keypoints, COCO
  --kind aic        14 keypoints, AI Challenger
  --kind mpii       16 keypoints, MPII, with head boxes of the val set in
                    OUT/annotations/mpii_gt_val.mat
  --kind wholebody  133 keypoints, COCO-WholeBody: body, feet, face, hands
  --kind ap10k      17 keypoints of quadrupeds, AP-10K

Visibility is read from the rendered pixels: v=2 visible, v=1 occluded, v=0
outside the image. Box, area and segmentation cover the visible pixels. The same
arguments give the same bytes for any number of workers."""

EPILOG = """examples:
  vitpose synth                                  4800 + 250 images, then
  mim train mmpose configs/synthetic/vitpose-mini_synthetic-128x96.py

  vitpose synth --kind ap10k --train 400 --val 50         animals
  vitpose synth --out data/few --train 12 --val 0 --preview data/few.jpg
  vitpose synth --out data/synthetic_few --train 400 --val 50
                                 for the smoke-test configs in configs/attention"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = 'folder to write (default data/synthetic; data/synthetic_KIND for kinds other than coco)'
    add('--out', type=Path, help=text)
    add_rendering(parser)
    add('--kind', default='coco', help='keypoints and format: coco, aic, mpii, ap10k or wholebody (default coco)')
    add('--size', type=int, nargs=2, metavar=('W', 'H'), help='in pixels (default 320 240; for wholebody 480 360)')
    add('--workers', type=int, default=2, metavar='P', help='processes; 0 renders in the main one (default 2)')
    add('--overwrite', action='store_true', help='replace OUT if it exists')
    add('--preview', type=Path, metavar='FILE', help='also draw the first images and their keypoints: .png or .jpg')


def run(args: argparse.Namespace) -> None:
    from ..synthetic.contact_sheet import check_sheet_name, write_contact_sheet

    if args.preview is not None:
        check_sheet_name(args.preview)
    from ..synthetic.keypoints import keypoint_set
    from ..synthetic.render_settings import RenderSettings
    from ..synthetic.writer import write_dataset

    table = keypoint_set(args.kind)
    out = args.out or Path('data', 'synthetic' if args.kind == 'coco' else f'synthetic_{args.kind}')
    settings = RenderSettings(args.train, args.val, args.seed, args.difficulty, args.kind, *(args.size or table.size))
    people = write_dataset(out, settings, args.workers, args.overwrite, show_progress=True)
    if args.preview is not None:
        write_contact_sheet(args.preview, settings)
    noun = table.species.noun
    training, held_out = f'{args.train} training images', f'{args.val} held-out images'
    print(f'{out}: {training} with {people["train"]} {noun}, {held_out} with {people["val"]} {noun}')
