"""Speed of training as tables and a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .training import Speed


def transforms_table(speeds: Mapping[str, Speed]) -> Any:
    """A rich table of the milliseconds per sample, one row per transform."""
    shown = _table('ms per sample, in one process: median over the rounds', '', *speeds)
    for step in dict.fromkeys(step for speed in speeds.values() for step in speed.transforms):
        cells = [speed.transforms.get(step) for speed in speeds.values()]
        shown.add_row(step, *(f'{np.median(cell):.2f}' if cell else '' for cell in cells))
    totals = [np.median(np.sum(list(speed.transforms.values()), axis=0)) for speed in speeds.values()]
    shown.add_row('total', *(f'{total:.2f}' for total in totals), end_section=True)
    shown.add_row('MB sent per sample', *(f'{speed.bytes / 1e6:.2f}' for speed in speeds.values()))
    return shown


def table(speeds: Mapping[str, Speed]) -> Any:
    """A rich table of the samples per second of loading, of the step and of both."""
    shown = _table('samples per second: median over the rounds, and the lowest to the highest', '', *speeds)
    first = next(iter(speeds.values()))
    for number in first.loading:
        workers = f'{number} worker{"s" if number > 1 else ""}'
        shown.add_row(f'loading, {workers}', *(_range(speed.loading[number]) for speed in speeds.values()))
    if first.step:
        shown.add_row('step', *(_range(speed.step) for speed in speeds.values()))
        shown.add_row(f'both, workers: {first.workers}', *(_range(speed.both) for speed in speeds.values()))
    return shown


def describe(speed: Speed, gpus: Sequence[float]) -> str:
    """Say what is slower, and how many cores GPUs need.

    Args:
        speed: of a config.
        gpus: samples per second that each trains; the measured step is added.
    """
    says = []
    if speed.step:
        slower = 'loading' if speed.loading_is_slower else 'the step'
        says.append(f'{slower} is the bottleneck with {speed.workers} workers')
        gpus = [float(np.median(speed.step)), *gpus]
    says.append(f'one core loads {speed.per_core:,.0f} samples per second')
    says += [f'a device that trains {gpu:,.0f} per second needs {speed.cores(gpu)} cores' for gpu in gpus]
    return '; '.join(says)


def _table(title: str, *headings: str) -> Any:
    from rich import box
    from rich.table import Table

    shown = Table(title=title, title_justify='left', box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, heading in enumerate(headings):
        shown.add_column(heading, justify='right' if i else 'left', no_wrap=not i, overflow='fold')
    return shown


def _range(rates: Sequence[float]) -> str:
    return f'{np.median(rates):,.4g} ({min(rates):,.4g}-{max(rates):,.4g})'
