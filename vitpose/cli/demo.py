"""`vitpose demo`: renders people, trains a small ViTPose on them with MIM, tests it, and shows the result."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

CONFIG = 'configs/synthetic/vitpose-mini_synthetic-128x96.py'

DESCRIPTION = """Render a training and a held-out set of people, run `mim train mmpose` on the
first, `mim test mmpose` with flip test on the second, and leave in OUT:

  report.md           COCO AP and AR on held-out people, times, machine
  learning_curve.png  loss and held-out AP over time
  gallery.png         held-out images, true and predicted skeletons, heatmaps
  data/ run/          rendered images; checkpoints and logs of the training
  train.log test.log  what MIM said

Two cores need about twelve minutes. An OUT that an earlier demo left is
replaced."""


def add_parser(subparsers: Any) -> None:
    """Add ``vitpose demo``."""
    parser = subparsers.add_parser(
        'demo',
        help='render, train, test and show a small ViTPose, from nothing',
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--out', type=Path, default=Path('demo'), help='folder to make (default demo)')
    parser.add_argument('--train', type=int, default=4800, metavar='N', help='training images (default 4800)')
    parser.add_argument('--val', type=int, default=250, metavar='M', help='held-out images (default 250)')
    parser.add_argument('--epochs', type=int, metavar='E', help="epochs instead of the config's own")
    parser.add_argument('--seed', type=int, default=0, metavar='S', help='of the images (default 0)')
    parser.add_argument('--difficulty', choices=('easy', 'hard'), default='easy', help='of the images (default easy)')


def run(args: argparse.Namespace) -> int:
    """Run the demo; 2 if the arguments do not fit, 1 if a step fails."""
    from ..demo.show import clear, show
    from ..shipped import shipped
    from ..synthetic.recipe import Recipe

    try:
        if args.train < 1 or args.val < 1:
            raise ValueError(f'--train {args.train} --val {args.val}: the demo needs at least one image of each')
        if args.epochs is not None and args.epochs < 1:
            raise ValueError(f'--epochs {args.epochs}: give at least 1')
        recipe = Recipe(args.train, args.val, args.seed, args.difficulty)
        config = shipped(CONFIG)
        clear(args.out)
    except (ValueError, OSError) as problem:
        print(f'vitpose demo: {problem}', file=sys.stderr)
        return 2
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that the training ends too
    try:
        show(args.out, recipe, config, args.epochs)
    except KeyboardInterrupt:
        print('vitpose demo: interrupted; the next one starts anew', file=sys.stderr)
        return 130
    except (RuntimeError, OSError) as problem:
        print(f'vitpose demo: {problem}', file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0
