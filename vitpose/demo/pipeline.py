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
from ..synthetic.render_settings import RenderSettings
from ..synthetic.writer import write_with_progress
from .crossing_video import predict_video
from .gallery import draw_gallery
from .learning_curve import draw_learning_curve
from .train_and_test import test, train

MARKER = 'demo.json'  # marks a folder that an earlier demo created and that may be replaced


def prepare_folder(out: Path) -> None:
    """Create the output folder, or empty it if an earlier demo created it.

    Raises:
        FileExistsError: `out` is a file, or a folder with anything else in it.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file: pass a folder to --out')
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARKER).is_file():
            raise FileExistsError(f'{out} is not empty and was not created by the demo: pass another folder to --out')
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text('{}\n', encoding='utf-8')


def run_demo(out: Path, settings: RenderSettings, config: Path, epochs: int | None) -> None:
    """Render, train, test, and write the report.

    Args:
        out: Output folder; see `prepare_folder`.
        settings: Images to render.
        config: Config to train.
        epochs: Number of epochs; None keeps the config's.

    Raises:
        RuntimeError: training, test or prediction fails.
    """
    seconds = {}
    start = time.perf_counter()
    print(f'1/5 rendering {settings.train} training and {settings.val} held-out images (about a minute)')
    people = write_with_progress(out / 'data', settings, workers=2, overwrite=True)
    seconds['rendering'] = time.perf_counter() - start
    print(
        f'2/5 training on {people["train"]} people with `mim train mmpose {config.name}`; '
        f'the full log is in {out / "train.log"}'
    )
    step_start = time.perf_counter()
    train(config, out, epochs)
    seconds['training'] = time.perf_counter() - step_start
    checkpoint = best_checkpoint(out / 'run')
    print(f'3/5 testing {checkpoint.name} on {people["val"]} held-out people, with flip test')
    step_start = time.perf_counter()
    metrics, predictions = test(config, checkpoint, out)
    seconds['test'] = time.perf_counter() - step_start
    print('4/5 drawing')
    curve = read_curve(out / 'run')
    draw_learning_curve(curve, out / 'learning_curve.png')
    with predictions.open('rb') as file:
        draw_gallery(pickle.load(file), keypoint_set(settings.kind), out / 'gallery.png')
    predictions.unlink()
    print('5/5 predicting a video of people who cross, with `vitpose predict`')
    step_start = time.perf_counter()
    shutil.copyfile(checkpoint, out / 'model.pth')
    video = predict_video(config, out / 'model.pth', out, settings)
    seconds['video'] = time.perf_counter() - step_start
    seconds['total'] = time.perf_counter() - start
    rows = {
        'AP': f'{metrics["coco/AP"]:.3f}',
        'AP50': f'{metrics["coco/AP .5"]:.3f}',
        'AP75': f'{metrics["coco/AP .75"]:.3f}',
        'AR': f'{metrics["coco/AR"]:.3f}',
        'test data': f'{people["val"]} people in {settings.val} held-out images, difficulty {settings.difficulty}, '
        'ground-truth boxes (no detector), flip test',
        'training data': f'{people["train"]} people in {settings.train} images, {curve.iterations} iterations',
        **{step: minutes(duration) for step, duration in seconds.items()},
        'machine': machine(),
    }
    rows['training'] += ', including validation'
    write_report(out, config, rows)
    write_text(out / MARKER, json.dumps({'metrics': metrics, 'seconds': seconds, 'table': rows}, indent=1) + '\n')
    print_table('ViTPose on held-out people', rows)
    print(f'{out / "report.md"}  {out / "learning_curve.png"}  {out / "gallery.png"}  {video}')


def write_report(out: Path, config: Path, rows: dict[str, str]) -> None:
    """Write report.md with a table of two columns."""
    name = re.sub('.*configs/', 'configs/', str(config))
    paragraphs = (
        f'Rendered by `vitpose synth`, trained with `mim train mmpose {name}`, tested with `mim test mmpose`. The '
        'tested checkpoint is the one with the best validation AP, and validation uses the same held-out images. '
        'The people, poses, colors and backgrounds of the held-out images do not occur in training.',
        '![learning curve](learning_curve.png)',
        'The gallery shows images sampled at even intervals from the held-out set. Left limbs are green, right '
        'limbs orange; a white dot in the left column is an occluded keypoint.',
        '![gallery](gallery.png)',
        'The [video](video/drawn/clip.mp4) shows people who are not in any of these images, in their annotated boxes; '
        'the poses are in `video/predictions.jsonl`. The model is `model.pth`.',
    )
    write_text(out / 'report.md', markdown('ViTPose on held-out people', rows, paragraphs))
