"""Tables and curves of the study from its result files."""

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from vitpose_mm.files import write_text

ROWS = {
    'scratch': 'from scratch',
    'rendered': 'pre-trained on rendered people',
    'crops': 'pre-trained on crops of the photographs',
    'images': 'pre-trained on whole photographs',
}
SCORES = ('AP', 'AP50', 'PCK@0.1')
BEGIN, END = '<!-- written by study.py -->', '<!-- end -->'


def write_report(results: Path, out: Path) -> None:
    """Write the tables into README.md between its two marks, and curves.png.

    Args:
        results: folder of the result files.
        out: folder of both; README.md is created if it is missing.
    """
    runs: dict[int, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(results.glob('*_seed*.json')):
        record = json.loads(path.read_text(encoding='utf-8'))
        runs[record['labels']][record['start']].append(record)
    lines = [line for count in sorted(runs, reverse=True) for line in table(count, runs[count])]
    page = out / 'README.md'
    text = page.read_text(encoding='utf-8') if page.exists() else f'{BEGIN}\n{END}\n'
    before, rest = text.split(BEGIN)
    write_text(page, f'{before}{BEGIN}\n\n' + '\n'.join(lines) + f'\n{END}{rest.split(END)[1]}')
    draw(runs, out / 'curves.png')


def table(count: int, starts: dict[str, list[dict]]) -> list[str]:
    """One row per start: mean and deviation over the seeds, and the gain over the run from scratch of the same seed."""
    any_run = next(iter(starts.values()))[0]
    title = f'### {count} labelled photographs, {any_run["iterations"]} iterations of fine-tuning'
    lines = [title, '', '| start | seeds | ' + ' | '.join(SCORES) + ' | AP gain, paired |', '|---' * 6 + '|']
    scratch = {run['seed']: run['scores'][-1]['AP'] for run in starts.get('scratch', [])}
    for start, name in ROWS.items():
        found = starts.get(start, [])
        if not found:
            continue
        cells = [spread([run['scores'][-1][score] for run in found]) for score in SCORES]
        gains = [run['scores'][-1]['AP'] - scratch[run['seed']] for run in found if run['seed'] in scratch]
        gain = spread(gains, '+') if gains and start != 'scratch' else ''
        lines.append(f'| {name} | {len(found)} | {" | ".join(cells)} | {gain} |')
    return [*lines, '', f'Measured on {any_run["machine"]}.', '']


def spread(values: list[float], sign: str = '') -> str:
    """Mean and standard deviation."""
    deviation = f' ± {statistics.stdev(values):.3f}' if len(values) > 1 else ''
    return f'{statistics.mean(values):{sign}.3f}{deviation}'


def draw(runs: dict[int, dict[str, list[dict]]], path: Path) -> None:
    """Draw AP during fine-tuning: the mean over the seeds, and their range as a band."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(runs), figsize=(6 * len(runs), 4.5), dpi=110, squeeze=False)
    for axis, (count, starts) in zip(axes[0], sorted(runs.items(), reverse=True), strict=True):
        for start, name in ROWS.items():
            found: list[Any] = starts.get(start, [])
            if found:
                epochs = [score['epoch'] for score in found[0]['scores']]
                curves = list(zip(*([score['AP'] for score in run['scores']] for run in found), strict=True))
                (line,) = axis.plot(epochs, [statistics.mean(each) for each in curves], 'o-', label=name)
                axis.fill_between(
                    epochs, list(map(min, curves)), list(map(max, curves)), alpha=0.2, color=line.get_color()
                )
        axis.set(title=f'{count} labelled photographs', xlabel='epoch', ylabel='AP (held-out photographs)')
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
