"""Speed of training as tables and a sentence."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..runs.table import figures_table
from .training_speed import Speed


def transforms_table(speeds: Mapping[str, Speed]) -> Any:
    """Make a rich table of the milliseconds per sample, one row per transform."""
    shown = figures_table('ms per sample, in one process: median over the rounds', '', *speeds, fold_names=False)
    for step in dict.fromkeys(step for speed in speeds.values() for step in speed.transforms):
        cells = [speed.transforms.get(step) for speed in speeds.values()]
        shown.add_row(step, *(f'{np.median(cell):.2f}' if cell else '' for cell in cells))
    totals = [np.median(np.sum(list(speed.transforms.values()), axis=0)) for speed in speeds.values()]
    shown.add_row('total', *(f'{total:.2f}' for total in totals), end_section=True)
    shown.add_row('MB sent per sample', *(f'{speed.bytes / 1e6:.2f}' for speed in speeds.values()))
    return shown


def table(speeds: Mapping[str, Speed]) -> Any:
    """Make a rich table of the samples per second of loading, of the step and of both."""
    title = 'samples per second: median over the rounds, and the lowest to the highest'
    shown = figures_table(title, '', *speeds, fold_names=False)
    first = next(iter(speeds.values()))
    for number in first.loading:
        name = f'loading, {number} worker{"s" if number > 1 else ""}'
        shown.add_row(name, *(_range(speed.loading[number]) for speed in speeds.values()))
    if first.step:
        shown.add_row('step', *(_range(speed.step) for speed in speeds.values()))
        shown.add_row(f'both, workers: {first.workers}', *(_range(speed.both) for speed in speeds.values()))
    return shown


def describe(speed: Speed, gpus: Sequence[float]) -> str:
    """Say what is slower, and how many cores GPUs need that train some samples per second, or as many as measured."""
    loaded = float(np.median(speed.loading[speed.workers]))
    per_core = loaded / speed.workers  # while as many workers run as there are
    says = [f'one core loads {per_core:,.0f} samples per second']
    if speed.step:
        trained = float(np.median(speed.step))
        slower = 'loading' if loaded < trained else 'the step'
        says.insert(0, f'{slower} is the bottleneck with {speed.workers} workers')
        gpus = [trained, *gpus]
    says += [f'a device that trains {gpu:,.0f} per second needs {math.ceil(gpu / per_core)} cores' for gpu in gpus]
    return '; '.join(says)


def _range(rates: Sequence[float]) -> str:
    return f'{np.median(rates):,.4g} ({min(rates):,.4g}-{max(rates):,.4g})'
