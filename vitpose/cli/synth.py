"""`vitpose synth`: renders the built-in data."""

import argparse
import sys
from pathlib import Path
from typing import Any

DESCRIPTION = """Render images of people or animals with true keypoints and write them in a
dataset's own layout:

  OUT/train/*.jpg  OUT/annotations/train.json
  OUT/val/*.jpg    OUT/annotations/val.json

  --kind coco       17 points, COCO's layout
  --kind aic        14 points, AI Challenger's
  --kind mpii       16 points, MPII's, and val's head boxes in
                    OUT/annotations/mpii_gt_val.mat
  --kind wholebody  133 points, COCO-WholeBody's: feet, fingers, face as drawn
  --kind ap10k      17 points of quadrupeds, AP-10K's

The people have jointed bodies with joint limits, a build, a face, hair and
clothes of their own; they and objects hide one another. Visibility is what was
drawn: v=2 is seen, v=1 hidden, v=0 outside of the image. Box, area and outline
are those of the pixels that were drawn. The same arguments give the same bytes,
whatever the number of workers."""

EPILOG = """examples:
  vitpose synth                  4800 and 250 images, for configs/synthetic
  vitpose synth --out data/synthetic_few --train 400 --val 50
                                 for the small twins of configs/attention
  vitpose synth --kind ap10k --train 400 --val 50
                                 animals, in data/synthetic_ap10k
  vitpose synth --out data/hard --train 500 --val 100 --difficulty hard --seed 7
  vitpose synth --out data/few --train 12 --val 0 --preview data/few.jpg

then:
  mim train mmpose configs/synthetic/vitpose-mini_synthetic-128x96.py"""


def add_parser(subparsers: Any) -> None:
    """Add ``vitpose synth``."""
    parser = subparsers.add_parser(
        'synth',
        help='render people or animals with true keypoints, in the layout of COCO and others',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='folder to make (default data/synthetic, or data/synthetic_KIND for other kinds than coco)',
    )
    parser.add_argument('--train', type=int, default=4800, metavar='N', help='training images (default 4800)')
    parser.add_argument('--val', type=int, default=250, metavar='M', help='held-out images (default 250)')
    parser.add_argument('--seed', type=int, default=0, metavar='S', help='another seed, other people (default 0)')
    parser.add_argument(
        '--difficulty',
        choices=('easy', 'hard'),
        default='easy',
        help='easy: standing and moving people, little occlusion, clothes that stand out; hard: any '
        'pose, crowds, cut-off bodies, blur and grain (default easy)',
    )
    parser.add_argument(
        '--kind', default='coco', help='whose keypoints and layout: coco, aic, mpii, ap10k or wholebody (default coco)'
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help='of an image in pixels (default 320 240; for wholebody 480 360)',
    )
    parser.add_argument('--workers', type=int, default=2, metavar='P', help='processes; 0 for none (default 2)')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT if it is there already')
    parser.add_argument(
        '--preview',
        type=Path,
        metavar='FILE',
        help='also draw the first images with their keypoints into this .png or .jpg',
    )


def run(args: argparse.Namespace) -> int:
    """Render, and say what was written; 2 if the arguments do not fit."""
    from ..synthetic.keypoints import keypoint_set
    from ..synthetic.preview import contact_sheet
    from ..synthetic.recipe import Recipe
    from ..synthetic.writer import write_picture, write_with_progress

    try:
        if args.preview is not None and args.preview.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
            raise ValueError(f'--preview {args.preview}: give a name that ends in .png or .jpg')
        table = keypoint_set(args.kind)
        out = args.out or Path('data', 'synthetic' if args.kind == 'coco' else f'synthetic_{args.kind}')
        width, height = args.size or table.size
        recipe = Recipe(args.train, args.val, args.seed, args.difficulty, args.kind, width, height)
        people = write_with_progress(out, recipe, args.workers, args.overwrite)
        if args.preview is not None:
            write_picture(args.preview, contact_sheet(recipe))
    except (ValueError, KeyError, OSError) as problem:
        print(f'vitpose synth: {problem.args[0] if isinstance(problem, KeyError) else problem}', file=sys.stderr)
        return 2
    print(
        f'{out}: {args.train} training images with {people["train"]} {table.species.noun}, '
        f'{args.val} held-out images with {people["val"]} {table.species.noun}'
    )
    return 0
