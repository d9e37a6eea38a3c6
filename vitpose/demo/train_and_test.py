"""Train and test the demo's model with MIM: a progress bar, and the output in log files."""

import json
from pathlib import Path

from ..runs.command import mim_command, run_logged
from ..runs.training import progress_line
from ..runs.training_log import AP


def data_options(data: Path) -> list[str]:
    """Return the `--cfg-options` that point a config of configs/synthetic to another data folder."""
    roots = (f'{split}_dataloader.dataset.data_root={data}/' for split in ('train', 'val', 'test'))
    return ['--cfg-options', *roots, f'val_evaluator.ann_file={data}/annotations/val.json']


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
