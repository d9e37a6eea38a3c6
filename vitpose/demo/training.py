"""Trains and tests the demo's model with MIM, with a progress bar and a log file."""

import json
import sys
from pathlib import Path

from ..runs.command import run_logged
from ..runs.training_log import parse_score, parse_step


def data_options(data: Path) -> list[str]:
    """Overrides that point a config of configs/synthetic to another folder of data."""
    root = f'{data}/'
    annotations = f'{data}/annotations/val.json'
    return [
        *(f'{loader}_dataloader.dataset.data_root={root}' for loader in ('train', 'val', 'test')),
        f'val_evaluator.ann_file={annotations}',
    ]


def train(config: Path, out: Path, epochs: int | None) -> None:
    """Trains on `out`/data into `out`/run; the log is `out`/train.log.

    Args:
        config: The config.
        out: The demo's folder.
        epochs: Instead of the config's own; None keeps them.

    Raises:
        RuntimeError: If the training fails.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    options = [*data_options(out / 'data'), f'test_evaluator.ann_file={out}/data/annotations/val.json']
    if epochs is not None:
        options += [
            f'train_cfg.max_epochs={epochs}',
            f'param_scheduler.1.T_max={epochs}',
            f'param_scheduler.1.end={epochs}',
        ]
    total = epochs or _max_epochs(config)
    columns = (TextColumn('training'), BarColumn(), TextColumn('{task.description}'), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task('starting', total=float(total))
        state = {'loss': '', 'score': ''}

        def read(line: str) -> None:
            step, score = parse_step(line), parse_score(line)
            if step is not None:
                state['loss'] = f'epoch {step.epoch}/{total}  loss {step.loss:.2f}'
                progress.update(task, completed=step.epoch - 1 + step.iteration / step.iterations)
            if score is not None:
                state['score'] = f'  AP {score:.3f}'
                progress.update(task, completed=round(progress.tasks[0].completed))
            if step is not None or score is not None:
                progress.update(task, description=state['loss'] + state['score'])

        command = [sys.executable, '-m', 'mim', 'train', 'mmpose', str(config), '--work-dir', str(out / 'run')]
        run_logged([*command, '--cfg-options', *options], out / 'train.log', read)


def _max_epochs(config: Path) -> int:
    from mmengine.config import Config

    return int(Config.fromfile(config).train_cfg.max_epochs)


def test(config: Path, checkpoint: Path, out: Path) -> tuple[dict[str, float], Path]:
    """Tests with the flip test on the held-out part of `out`/data; the log is `out`/test.log.

    Args:
        config: The config.
        checkpoint: What to test.
        out: The demo's folder.

    Returns:
        The metrics, and the file of predictions with their heatmaps, a pickle.

    Raises:
        RuntimeError: If the test fails.
    """
    metrics, predictions = out / 'metrics.json', out / 'predictions.pkl'
    options = [
        *data_options(out / 'data'),
        f'test_evaluator.0.ann_file={out}/data/annotations/val.json',
        'model.test_cfg.flip_test=True',
        'model.test_cfg.output_heatmaps=True',
    ]
    command = [
        sys.executable,
        '-m',
        'mim',
        'test',
        'mmpose',
        str(config),
        '--checkpoint',
        str(checkpoint),
        '--work-dir',
        str(out / 'run'),
        '--out',
        str(metrics),
        '--dump',
        str(predictions),
    ]
    run_logged([*command, '--cfg-options', *options], out / 'test.log', lambda line: None)
    return json.loads(metrics.read_text(encoding='utf-8')), predictions
