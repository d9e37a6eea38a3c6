"""`vitpose demo`: renders people, trains a small ViTPose on them with MIM, tests it, and shows the result."""

import argparse
import json
import pickle
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ..files import write_text

CONFIG = 'synthetic/vitpose-mini_synthetic-128x96.py'
MARK = 'demo.json'  # tells a folder that an earlier demo may be replaced in

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
    from ..datasets.synthetic.recipe import Recipe

    try:
        if args.train < 1 or args.val < 1:
            raise ValueError(f'--train {args.train} --val {args.val}: the demo needs at least one image of each')
        if args.epochs is not None and args.epochs < 1:
            raise ValueError(f'--epochs {args.epochs}: give at least 1')
        recipe = Recipe(args.train, args.val, args.seed, args.difficulty)
        config = find_config(CONFIG)
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


def find_config(name: str) -> Path:
    """A shipped config, from an installation or a checkout.

    Args:
        name: Its path below configs/.

    Raises:
        FileNotFoundError: If it is in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    places = [package / '.mim' / 'configs' / name, package.parent / 'configs' / name]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f'no config {name} at {places[0]} or {places[1]}: install the package again')


def clear(out: Path) -> None:
    """Make an empty folder of `out`; what an earlier demo left there goes.

    Raises:
        FileExistsError: If it holds something else.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file: name a folder with --out')
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARK).is_file():
            raise FileExistsError(f'{out} is not empty and no demo made it: name another folder with --out')
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).write_text('{}\n', encoding='utf-8')


def show(out: Path, recipe: Any, config: Path, epochs: int | None) -> None:
    """Render, train, test, and draw what came of it."""
    from ..report.gallery import draw_gallery
    from ..report.learning_curve import draw_learning_curve
    from ..report.mim import test, train
    from ..report.table import print_table
    from ..report.training_log import best_checkpoint, read_curve
    from .synth import render_with_progress

    start = time.perf_counter()
    print(f'1/4 rendering {recipe.train} training and {recipe.val} held-out images (about a minute)')
    people = render_with_progress(out / 'data', recipe, workers=2, overwrite=True)
    rendered = time.perf_counter()
    print(
        f'2/4 training on {people["train"]} people with `mim train mmpose {config.name}`: {out / "train.log"} '
        'has all of it'
    )
    train(config, out, epochs)
    trained = time.perf_counter()
    checkpoint = best_checkpoint(out / 'run')
    print(f'3/4 testing {checkpoint.name} on {people["val"]} held-out people, with flip test')
    metrics, predictions = test(config, checkpoint, out)
    tested = time.perf_counter()
    print('4/4 drawing')
    curve = read_curve(out / 'run')
    draw_learning_curve(curve, out / 'learning_curve.png')
    with predictions.open('rb') as file:
        samples = pickle.load(file)
    from ..datasets.synthetic.keypoints import keypoint_set

    draw_gallery(samples, keypoint_set(recipe.kind), out / 'gallery.png')
    predictions.unlink()
    times = {
        'rendering': rendered - start,
        'training': trained - rendered,
        'test': tested - trained,
        'all': time.perf_counter() - start,
    }
    rows = result_rows(metrics, recipe, people, curve.iterations, times)
    write_report(out, config, rows, metrics, times)
    print_table('ViTPose on held-out people', rows)
    print(f'{out / "report.md"}  {out / "learning_curve.png"}  {out / "gallery.png"}')


def result_rows(metrics: dict, recipe: Any, people: dict, iterations: int, times: dict[str, float]) -> dict[str, str]:
    """The rows of the report's table."""
    from ..report.table import machine, minutes

    return {
        'AP': f'{metrics["coco/AP"]:.3f}',
        'AP50': f'{metrics["coco/AP .5"]:.3f}',
        'AP75': f'{metrics["coco/AP .75"]:.3f}',
        'AR': f'{metrics["coco/AR"]:.3f}',
        'tested on': f'{people["val"]} people in {recipe.val} held-out images, {recipe.difficulty}, '
        'their true boxes (no detector), flip test',
        'trained on': f'{people["train"]} people in {recipe.train} other images, {iterations} iterations',
        'rendering': minutes(times['rendering']),
        'training': minutes(times['training']) + ', with validation',
        'test': minutes(times['test']),
        'all': minutes(times['all']),
        'machine': machine(),
    }


def write_report(out: Path, config: Path, rows: dict[str, str], metrics: dict, times: dict[str, float]) -> None:
    """Write report.md, and the same figures as JSON."""
    from ..report.table import markdown

    name = re.sub('.*configs/', 'configs/', str(config))
    below = (
        f'Rendered by `vitpose synth`, trained with `mim train mmpose {name}`, tested with `mim test '
        'mmpose` on the checkpoint that did best in the validations of the training. '
        'The people, poses, colours and backgrounds of the held-out images do not occur in training.',
        '![learning curve](learning_curve.png)',
        'The gallery shows images at even distances from the held-out set, not picked. Left limbs are green, right '
        'ones orange; a white dot in the left column is a keypoint that something hides.',
        '![gallery](gallery.png)',
    )
    write_text(out / 'report.md', markdown('ViTPose on held-out people', rows, below))
    figures = {'metrics': metrics, 'seconds': times, 'table': rows}
    write_text(out / MARK, json.dumps(figures, indent=1) + '\n')
