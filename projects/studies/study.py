"""Trainings of a study: each is run once, continues where it stopped, and leaves a small file of figures."""

import json
import statistics
import subprocess
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from projects.studies.forked_training import train
from vitpose.runs.table import machine
from vitpose.runs.training_log import parse_step
from vitpose.shipped import TOP
from vitpose_base.files import write_text

VERSIONS = ('torch', 'numpy', 'mmpose', 'mmcv', 'mmengine')


def run_config(
    config: Any,
    folder: Path,
    result: Path,
    scores: Mapping[str, str],
    paths: Mapping[Path, str] | None = None,
    **about: Any,
) -> None:
    """Train a config and write what is reported of it; a finished run is skipped.

    Args:
        config: resolved config (mmengine's Config).
        folder: of the run; an earlier, interrupted one there is continued.
        result: JSON file to write when the run is finished.
        scores: names of the metrics in MMEngine's scalars, and in the file.
        paths: if given, the file holds the config, too, with these names instead of these paths.
        **about: what the run is, for the file.

    Raises:
        ValueError: the interrupted run in the folder has another config.
        RuntimeError: the training fails.
    """
    if result.exists():
        return
    settings, text = folder / 'settings.json', json.dumps(config.to_dict())
    if settings.exists() and settings.read_text(encoding='utf-8') != text:
        raise ValueError(f'{folder} has an interrupted run with other settings: delete it, or use another folder')
    write_text(settings, text)
    config.dump(folder / 'run.py')
    train(folder / 'run.py', folder)
    records = [json.loads(line) for line in _lines(folder, '*/vis_data/scalars.json')]
    logged = [step for step in map(parse_step, _lines(folder, '*/*.log')) if step]
    head = subprocess.run(['git', 'rev-parse', 'HEAD'], cwd=TOP, capture_output=True, text=True, check=False)
    steps = [record for record in records if 'loss' in record]
    tests = sorted(folder.glob('*/[0-9]*.json'))  # of a config that says `test_at_end`
    if tests:
        found = json.loads(tests[-1].read_text(encoding='utf-8'))
        about['test'] = {name: found[key] for key, name in scores.items()}
    about.update(
        seed=config.randomness.seed,
        epochs=config.train_cfg.max_epochs,
        iterations=max(step.epoch * step.iterations for step in logged),
        step_seconds=round(statistics.median(record['time'] for record in steps), 4),
        loss=[[record['step'], round(record['loss'], 4)] for record in steps][:: max(len(steps) // 20, 1)],
        scores=[
            {'epoch': record['step'], **{name: record[key] for key, name in scores.items()}}
            for record in records
            if set(scores) <= set(record)
        ],
        commit=head.stdout.strip() or None,
        versions={name: __import__(name).__version__ for name in VERSIONS},
        machine=machine(),
    )
    text = json.dumps(about, indent=1)
    if paths is not None:  # in one line
        text = f'{text[:-2]},\n "config": {json.dumps(without_paths(config, paths))}\n}}'
    write_text(result, text + '\n')


def without_paths(config: Any, paths: Mapping[Path, str]) -> dict:
    """A config as JSON reads it, with names instead of paths, such as {Path('/data/coco'): 'DATA'}."""
    text = json.dumps(config.to_dict())
    for path, name in paths.items():
        text = text.replace(json.dumps(str(path))[1:-1], name)
    return json.loads(text)


def is_finished(result: Path, config: Any, paths: Mapping[Path, str]) -> bool:
    """Whether a run of this config is finished, by its result file; ValueError if it was run with another config."""
    if not result.exists():
        return False
    before = dict(leaves(json.loads(result.read_text(encoding='utf-8'))['config']))
    now = dict(leaves(without_paths(config, paths)))
    for key in [*now, *before]:
        if before.get(key) != now.get(key):
            raise ValueError(
                f'{result} is of a run with {key} = {before.get(key)!r}, now it is {now.get(key)!r}: delete it to '
                'run it again, use the same options, or keep results in another folder'
            )
    return True


def run_all(
    title: str,
    run: Callable[[Any], None],
    which: Sequence[Hashable],
    jobs: int,
    cost: Callable[[Any], float] = lambda item: 1,
    needs: Callable[[Any], Sequence[Any]] = lambda item: (),
    may_start: Callable[[Any], bool] = lambda item: True,
) -> None:
    """Call `run` for each of `which`, `jobs` at a time, and show progress and the time left; the first error is raised.

    Args:
        title: of the progress bar.
        run: runs one item.
        which: the items, in the order in which they are started; finished ones would shorten the time left.
        jobs: items at the same time.
        cost: how long an item takes in any unit, for the time left.
        needs: what an item waits for; those that are not among `which` are finished.
        may_start: whether there is time for an item; it and what waits for it are dropped if not.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn('{task.description}'), BarColumn(), TextColumn('{task.fields[runs]} runs,'))
    times = (TimeElapsedColumn(), TextColumn('passed,'), TimeRemainingColumn(), TextColumn('left'))
    waiting, unfinished = list(which), set(which)
    running: dict[Future, Hashable] = {}

    # the speed is that of all runs so far, not of the last seconds as by default
    with Progress(*columns, *times, speed_estimate_period=1e9) as progress, ThreadPoolExecutor(jobs) as pool:
        task = progress.add_task(title, total=sum(map(cost, which)), runs=f'0/{len(which)}')
        while unfinished:
            for item in list(waiting):
                if len(running) < jobs and unfinished.isdisjoint(needs(item)):
                    waiting.remove(item)
                    if may_start(item):
                        running[pool.submit(run, item)] = item
            if not running:  # there is no time for the rest
                break
            future = next(as_completed(running))
            item = running.pop(future)
            future.result()
            unfinished.remove(item)
            progress.update(task, advance=cost(item), runs=f'{len(which) - len(unfinished)}/{len(which)}')
            if unfinished and not progress.console.is_terminal:  # in a file, a line per run
                progress.console.print(*progress.get_renderables())


def _lines(folder: Path, pattern: str) -> list[str]:
    """The lines of some files, in the order of their names."""
    return [line for path in sorted(folder.glob(pattern)) for line in path.read_text(encoding='utf-8').splitlines()]


def leaves(value: Any, key: str = '') -> list[tuple[str, Any]]:
    """The leaves of nested dicts and lists, with dotted keys."""
    if not isinstance(value, dict | list) or not value:
        return [(key, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [leaf for name, child in items for leaf in leaves(child, f'{key}.{name}' if key else str(name))]
