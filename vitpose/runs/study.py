"""Trainings of a study: each is run once, continues where it stopped, and leaves a small file of figures."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vitpose_mm.files import write_text

from ..shipped import TOP
from .command import mim_command, run_logged
from .table import machine


def run_config(config: Any, folder: Path, result: Path, scores: Mapping[str, str], **about: Any) -> None:
    """Train a config and write what is reported of it; a finished run is skipped.

    Args:
        config: resolved config (mmengine's Config).
        folder: of the run; an earlier, interrupted one there is continued.
        result: JSON file to write when the run is finished.
        scores: names of the metrics in MMEngine's scalars, and in the file.
        **about: what the run is, for the file.

    Raises:
        RuntimeError: the training fails.
    """
    if result.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    config.dump(folder / 'run.py')
    run_logged(mim_command('train', folder / 'run.py', folder, '--resume'), folder / 'train.log')
    scalars = [path.read_text(encoding='utf-8') for path in sorted(folder.glob('*/vis_data/scalars.json'))]
    records = [json.loads(line) for text in scalars for line in text.splitlines()]
    head = subprocess.run(['git', 'rev-parse', 'HEAD'], cwd=TOP, capture_output=True, text=True, check=False)
    steps = [record for record in records if 'loss' in record]
    about.update(
        seed=config.randomness.seed,
        epochs=config.train_cfg.max_epochs,
        iterations=steps[-1]['step'],
        loss=[[record['step'], round(record['loss'], 4)] for record in steps][:: max(len(steps) // 20, 1)],
        scores=[
            {'epoch': record['step'], **{name: record[key] for key, name in scores.items()}}
            for record in records
            if set(scores) <= set(record)
        ],
        commit=head.stdout.strip() or None,
        machine=machine(),
    )
    write_text(result, json.dumps(about, indent=1) + '\n')


def run_all(title: str, run: Callable[[Any], None], which: Sequence[Any], jobs: int) -> None:
    """Call `run` for each of `which`, `jobs` at a time, with a progress bar; the first error is raised."""
    from rich.progress import MofNCompleteColumn, Progress

    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as progress, ThreadPoolExecutor(jobs) as pool:
        task = progress.add_task(title, total=len(which))
        for _ in pool.map(run, which):
            progress.advance(task)
