"""The steps of the demo: render, train, test, draw, report."""

import json
import pickle
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vitpose_base.files import write_text

from ..errors import ExistingFileError
from ..predict.detection.two_pass import TwoPassDetector
from ..predict.models.loading import load_model
from ..predict.outputs.drawn_files import write_jpeg
from ..predict.predictor import PosePredictor
from ..runs.command import mim_command, run_logged
from ..runs.table import machine, markdown, minutes
from ..runs.training import progress_line
from ..runs.training_log import AP, best_checkpoint, read_curve
from ..synthetic.keypoints import keypoint_set
from ..synthetic.render_settings import RenderSettings
from ..synthetic.writer import write_dataset
from .crossing_video import predict_video
from .gallery import draw_gallery, draw_learning_curve

PHOTO = Path(__file__).with_name('skier.jpg')  # Flickr 6795644157, COCO val2017 785, CC BY 2.0
MARKER = 'demo.json'  # marks a folder that an earlier demo created and that may be replaced


def prepare_folder(out: Path) -> None:
    """Create the output folder, or empty it if an earlier demo created it. ExistingFileError if it has other files."""
    if out.exists() and not out.is_dir():
        raise ExistingFileError(f'{out} is a file: pass a folder to --out')
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARKER).is_file():
            raise ExistingFileError(f'{out} is not empty and was not created by the demo: pass another folder to --out')
        shutil.rmtree(out)
    write_text(out / MARKER, '{}\n')


def run_demo(
    out: Path, settings: RenderSettings, config: Path, epochs: int | None, log: Callable[[str], None]
) -> tuple[dict[str, str], list[Path]]:
    """Render, train, test, and write the report into `out`; return the rows of its table, and the files to look at."""
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds[step] = time.perf_counter() - start

    with timed('total'):
        photo, model = out / 'photo.jpg', load_model('tiny', device='cpu')
        write_jpeg(photo, PosePredictor(model, TwoPassDetector(model))(PHOTO).plot())
        log(f'{photo}: a photograph with the pose that the shipped model predicts')
        log(f'1/5 rendering {settings.train} training and {settings.val} held-out images (about a minute)')
        with timed('rendering'):
            people = write_dataset(out / 'data', settings, overwrite=True, show_progress=True)
        command = f'`mim train mmpose {config.name}`'
        log(f'2/5 training on {people["train"]} people with {command}; the full log is in {out / "train.log"}')
        with timed('training'):
            train(config, out, epochs)
        checkpoint = best_checkpoint(out / 'run')
        log(f'3/5 testing {checkpoint.name} on {people["val"]} held-out people, with flip test')
        with timed('test'):
            metrics, predictions = test(config, checkpoint, out)
        log('4/5 drawing')
        curve = read_curve(out / 'run')
        draw_learning_curve(curve, out / 'learning_curve.png')
        draw_gallery(pickle.loads(predictions.read_bytes()), keypoint_set(settings.kind), out / 'gallery.png')
        predictions.unlink()
        log('5/5 predicting a video of people who cross, with `vitpose predict`')
        with timed('video'):
            shutil.copyfile(checkpoint, out / 'model.pth')
            video = predict_video(config, out / 'model.pth', out, settings)
    scores = {'AP': 'coco/AP', 'AP50': 'coco/AP .5', 'AP75': 'coco/AP .75', 'AR': 'coco/AR'}
    rows = {name: f'{metrics[key]:.3f}' for name, key in scores.items()}
    held_out = f'{people["val"]} people in {settings.val} held-out images, difficulty {settings.difficulty}'
    rows['test data'] = f'{held_out}, ground-truth boxes (no detector), flip test'
    rows['training data'] = f'{people["train"]} people in {settings.train} images, {curve.iterations} iterations'
    rows |= {step: minutes(duration) for step, duration in seconds.items()} | {'machine': machine()}
    rows['training'] += ', including validation'
    name = re.sub('.*configs/', 'configs/', str(config))
    paragraphs = (
        f'Rendered by `vitpose synth`, trained with `mim train mmpose {name}`, tested with `mim test mmpose`. The '
        'tested checkpoint is the one with the best validation AP, and validation uses the same held-out images. '
        'The people, poses, colors and backgrounds of the held-out images do not occur in training.',
        '![learning curve](learning_curve.png)',
        'The gallery shows images sampled at even intervals from the held-out set: ground truth, predictions, '
        'heatmaps. Left limbs are green, right limbs orange; a white dot in the left column is an occluded keypoint.',
        '![gallery](gallery.png)',
        'The [video](video/drawn/clip.mp4) shows other people, in their annotated boxes; the poses are in '
        '`video/predictions.jsonl`. The model is `model.pth`.',
    )
    write_text(out / 'report.md', markdown('ViTPose on held-out people', rows, paragraphs))
    write_text(out / MARKER, json.dumps({'metrics': metrics, 'seconds': seconds, 'table': rows}, indent=1) + '\n')
    return rows, [photo, out / 'report.md', out / 'learning_curve.png', out / 'gallery.png', video]


def train(config: Path, out: Path, epochs: int | None) -> None:
    """Train on `out`/data, by default for the config's epochs; write the run to `out`/run and the log to train.log."""
    from mmengine.config import Config

    options = [*data_options(out / 'data'), f'test_evaluator.ann_file={out}/data/annotations/val.json']
    if epochs is not None:
        keys = ('train_cfg.max_epochs', 'param_scheduler.1.T_max', 'param_scheduler.1.end')
        options += [f'{key}={epochs}' for key in keys]
    with progress_line(epochs or int(Config.fromfile(config).train_cfg.max_epochs), AP) as show:
        run_logged(mim_command('train', config, out / 'run', *options), out / 'train.log', show)


def test(config: Path, checkpoint: Path, out: Path) -> tuple[dict[str, float], Path]:
    """Test with flip test on the held-out images of `out`/data; return metrics, and a pickle file with predictions."""
    metrics, predictions = out / 'metrics.json', out / 'predictions.pkl'
    files = ('--checkpoint', str(checkpoint), '--out', str(metrics), '--dump', str(predictions))
    options = [*data_options(out / 'data'), f'test_evaluator.0.ann_file={out}/data/annotations/val.json']
    options += [f'model.test_cfg.{name}=True' for name in ('flip_test', 'output_heatmaps')]
    run_logged(mim_command('test', config, out / 'run', *files, *options), out / 'test.log')
    return json.loads(metrics.read_text(encoding='utf-8')), predictions


def data_options(data: Path) -> list[str]:
    """Return the `--cfg-options` that point a config of configs/synthetic to another data folder."""
    roots = (f'{split}_dataloader.dataset.data_root={data}/' for split in ('train', 'val', 'test'))
    return ['--cfg-options', *roots, f'val_evaluator.ann_file={data}/annotations/val.json']
