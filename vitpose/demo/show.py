"""The steps of the demo: render, train, test, draw, report."""

import json
import pickle
import re
import shutil
import time
from pathlib import Path

from vitpose_mm.files import write_text

from ..runs.table import machine, markdown, minutes, print_table
from ..runs.training_log import best_checkpoint, read_curve
from ..synthetic.keypoints import keypoint_set
from ..synthetic.recipe import Recipe
from ..synthetic.writer import write_with_progress
from .gallery import draw_gallery
from .learning_curve import draw_learning_curve
from .training import test, train

MARK = 'demo.json'  # a folder with this file was left by an earlier demo, which may be replaced


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


def show(out: Path, recipe: Recipe, config: Path, epochs: int | None) -> None:
    """Render, train, test, and draw what came of it."""
    start = time.perf_counter()
    print(f'1/4 rendering {recipe.train} training and {recipe.val} held-out images (about a minute)')
    people = write_with_progress(out / 'data', recipe, workers=2, overwrite=True)
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


def result_rows(metrics: dict, recipe: Recipe, people: dict, iterations: int, times: dict[str, float]) -> dict[str, str]:
    """The rows of the report's table."""
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
