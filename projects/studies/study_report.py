"""Tables and curves of a study, from the files of `run_config`."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vitpose_base.files import write_text

END = '<!-- end -->'
Runs = Mapping[str, Sequence[dict]]  # rows of a table and their runs, one per seed


def write_between_marks(page: Path, begin: str, lines: Sequence[str]) -> None:
    """Replace what stands between the line `begin` and END in a page; page and marks are added if they are missing."""
    text = page.read_text(encoding='utf-8') if page.exists() else ''
    if begin not in text:
        text += f'{begin}\n{END}\n'
    before, rest = text.split(begin)
    write_text(page, f'{before}{begin}\n\n' + '\n'.join(lines) + f'\n{END}{rest.split(END, 1)[1]}')


def score_table(
    heading: str, runs: Runs, scores: Sequence[str], baseline: str, more: Mapping[str, Mapping[str, str]] | None = None
) -> list[str]:
    """A table of the final scores, mean and deviation over the seeds.

    Args:
        heading: of the rows' names.
        runs: one row each.
        scores: one column each.
        baseline: the row that the others are compared with, by runs of the same seed, in the first score.
        more: further columns before the seeds: heading, and the cell of each row.
    """
    more = more or {}
    columns = [heading, *more, 'seeds', *scores, f'{scores[0]} gain, paired']
    lines = [f'| {" | ".join(columns)} |', '|---' * len(columns) + '|']
    base = {run['seed']: final(run)[scores[0]] for run in runs.get(baseline, ())}
    for name, seeds in runs.items():
        cells = [spread([final(run)[score] for run in seeds]) for score in scores]
        gains = [final(run)[scores[0]] - base[run['seed']] for run in seeds if run['seed'] in base]
        gain = spread(gains, '+') if gains and name != baseline else ''
        cells = [*(column.get(name, '') for column in more.values()), str(len(seeds)), *cells]
        lines.append(f'| {name} | {" | ".join(cells)} | {gain} |')
    return lines


def final(run: dict) -> dict:
    """A run's scores on the test people, or else the last ones during training."""
    return run.get('test') or run['scores'][-1]


def seed_table(heading: str, scores: Mapping[str, Sequence[float]]) -> list[str]:
    """A table of scores: a row per setting, a column per seed (some settings may have fewer), mean and deviation."""
    seeds = max(map(len, scores.values()))
    lines = [
        f'| {heading} | {" | ".join(f"seed {seed}" for seed in range(seeds))} | mean | standard deviation |',
        '|---' * (seeds + 3) + '|',
    ]
    for setting, values in scores.items():
        cells = [f'{value:.3f}' for value in values] + [''] * (seeds - len(values))
        deviation = f'{statistics.stdev(values):.3f}' if len(values) > 1 else ''
        lines.append(f'| {setting} | {" | ".join(cells)} | {statistics.mean(values):.3f} | {deviation} |')
    return lines


def spread(values: Sequence[float], sign: str = '') -> str:
    """Mean and standard deviation."""
    deviation = f' ± {statistics.stdev(values):.3f}' if len(values) > 1 else ''
    return f'{statistics.mean(values):{sign}.3f}{deviation}'


def measured_on(runs: Iterable[dict]) -> str:
    """The sentence that names every machine of some runs."""
    return f'Measured on {"; and on ".join(sorted({run["machine"] for run in runs}))}.'


def draw_curves(
    panels: Mapping[str, Runs], score: str, path: Path, levels: Mapping[str, Mapping[str, float]] | None = None
) -> None:
    """Draw a score during training, a panel beside the other: the mean over the seeds, and their range as a band.

    `levels`, by panel and name, are final scores of other trainings, which are drawn as gray lines.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * len(panels), 4.5), dpi=110)
    axes = figure.subplots(1, len(panels), squeeze=False)
    for axis, (title, runs) in zip(axes[0], panels.items(), strict=True):
        for name, level in (levels or {}).get(title, {}).items():
            axis.axhline(level, linestyle=':' if '+' in name else '--', color='gray', label=name)
        for name, seeds in runs.items():
            epochs = [point['epoch'] for point in seeds[0]['scores']]
            curves: list[Any] = list(zip(*([point[score] for point in run['scores']] for run in seeds), strict=True))
            (line,) = axis.plot(epochs, [statistics.mean(scores) for scores in curves], 'o-', label=name)
            axis.fill_between(epochs, list(map(min, curves)), list(map(max, curves)), alpha=0.2, color=line.get_color())
        axis.set(title=title, xlabel='epoch', ylabel=f'{score} (held out)')
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path)
