"""`vitpose demo`: predict a photograph; render people, train a small ViTPose on them with MIM, test it and draw."""

import argparse
from pathlib import Path

from vitpose_base.installed import missing_packages

from ..errors import InputError, started
from .shared_options import add_rendering, check_positive

CONFIG = 'configs/synthetic/vitpose-mini_synthetic-128x96.py'

DESCRIPTION = """Predict a photograph with the shipped model, in a second. Then render a training
set and a held-out set of people, run `mim train mmpose` on the first and `mim
test mmpose` with flip test on the second, and `vitpose predict` on a rendered
video. Written to OUT:

  photo.jpg           a photograph with the pose that the shipped model predicts
  report.md           COCO AP and AR on held-out people, times, machine
  learning_curve.png  loss and held-out AP over time
  gallery.png         held-out images with ground truth, predictions, heatmaps
  video/drawn/        the video of people who cross, with their predicted poses
  model.pth           the trained model, for `vitpose predict --checkpoint`
  data/ run/          rendered images; checkpoints and logs of the training
  *.log               output of MIM and of `vitpose predict`

This takes 8 to 14 minutes on two cores. It replaces an earlier demo's OUT."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--out', type=Path, default=Path('demo'), help='output folder (default demo)')
    parser.add_argument('--epochs', type=int, metavar='E', help="number of epochs (default: the config's)")
    add_rendering(parser)


def run(args: argparse.Namespace) -> None:
    check_positive(args, 'train', 'val', 'epochs')
    if not {' ', ','}.isdisjoint(str(args.out)):
        raise InputError(f'--out {args.out}: expected a path without spaces and commas, which `mim train` changes')
    from ..demo.pipeline import prepare_folder, run_demo
    from ..predict.optional_imports import import_optional
    from ..runs.table import print_table
    from ..shipped import shipped
    from ..synthetic.render_settings import RenderSettings

    settings = RenderSettings(args.train, args.val, args.seed, args.difficulty)
    config = shipped(CONFIG)
    import_optional('av', 'the video')
    if missing := missing_packages(('torch', 'mmengine', 'mmcv', 'mmpose', 'mim')):
        raise ImportError(f'training needs {", ".join(missing)}, not installed here')
    prepare_folder(args.out)
    with started():
        rows, files = run_demo(args.out, settings, config, args.epochs, print)
    print_table('ViTPose on held-out people', rows)
    print(*files, sep='  ')
