"""The study's page, its curves and the picture of all verdicts, from the result files."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from projects.paper.tables import TABLES, Table
from projects.studies.study_report import Runs, draw_curves, measured_on, score_table, write_between_marks
from projects.studies.verdict import Claim, Verdict, draw_verdicts, judge, paired, verdict_table

SCORES = ('AP', 'AP50', 'PCK@0.1')
NOT_YET = 'Not run yet.'
WORDS = ('agrees', 'equal', 'disagrees', 'undecided')
ENOUGH = 0.01  # growth of the first row's AP in the last part of its training that is small


def write_report(results: Path, out: Path, planned: Mapping[int, tuple[int, float]]) -> None:
    """Write the tables into `out`/README.md, created if it is missing, verdicts.png, and the curves of each table.

    `planned` are the steps of each run and the hours of all runs, by table.
    """
    page = out / 'README.md'
    records = [json.loads(path.read_text(encoding='utf-8')) for path in sorted(results.glob('table*_seed*.json'))]
    judged: list[tuple[Claim, Verdict]] = []
    means: list[dict[str, tuple[float, float | None]]] = []
    parts: dict[str, list[str]] = {}
    for number in sorted(TABLES):
        table = TABLES[number]
        runs = {
            name: [each for each in records if (each['table'], each['row']) == (number, name)] for name in table.rows
        }
        aps = {name: {run['seed']: run['test']['AP'] for run in found} for name, found in runs.items()}
        own = [(claim, judge(paired(claim, aps), claim.paper)) for claim in table.claims]
        for claim, found in own:
            if found.seeds:
                judged.append((replace(claim, text=f'table {number}: {claim.text}'), found))
                means.append({row: (statistics.mean(aps[row].values()), table.rows[row].paper) for row in claim.rows})
        lines = [NOT_YET]
        if any(runs.values()):
            cost = results / f'table{number}_cost.json'
            measured = json.loads(cost.read_text(encoding='utf-8')) if cost.exists() else None
            lines = [*table_lines(table, runs, measured), *verdict_table(own)]
            lines += ['', f'![AP of the held-out people during training](table{number}.png)']
            titled = table.parts or {table.title: list(table.rows)}
            panels = {title: {name: runs[name] for name in names if runs[name]} for title, names in titled.items()}
            drawn = {title: found for title, found in panels.items() if found}
            draw_curves(drawn, 'AP', out / f'table{number}.png')
        for each in records:
            if each['table'] == number and each['row'] in table.prerequisites and 'test' in each:
                lines += ['', f'Run once, {each["row"]}: AP {each["test"]["AP"]:.3f}.']
        parts[f'table {number}'] = lines
    parts['plan'] = plan_lines(planned)
    parts['verdicts'] = finding_lines(judged, records)
    if judged:
        draw_verdicts(judged, out / 'verdicts.png', 'AP', means)
    for name, lines in parts.items():
        write_between_marks(page, f'<!-- written by study.py: {name} -->', [*lines, ''])


def finding_lines(judged: list[tuple[Claim, Verdict]], records: list[dict]) -> list[str]:
    """What was found, in a few lines, and the picture."""
    total = sum(len(table.claims) for table in TABLES.values())
    if not judged:
        return [f'{NOT_YET} All {total} claims are open.']
    words = [found.word for _, found in judged]
    aps = [each['test']['AP'] for each in records if 'test' in each]
    counts = ', '.join(f'{words.count(word)} {word}' for word in WORDS)
    counts += f', {total - len(words)} not run yet'
    lines = [f'{total} claims: {counts}. APs are {min(aps):.3f} to {max(aps):.3f}.', '']
    for word in WORDS[1:]:
        claims = [claim.text for claim, found in judged if found.word == word]
        lines += [f'- {word}: {"; ".join(claims)}.'] if claims else []
    return [*lines, '', '![All verdicts](verdicts.png)']


def growth_line(name: str, runs: Sequence[dict]) -> str:
    """How much a row's AP on the held-out people grew between its last two measurements."""
    points = [run['scores'][-2:] for run in runs]
    if any(len(each) < 2 for each in points):
        return ''
    grown = statistics.mean(last['AP'] - before['AP'] for before, last in points)
    epochs = points[0][1]['epoch'] - points[0][0]['epoch']
    steps = round(runs[0]['iterations'] * epochs / runs[0]['epochs'])
    short = '' if grown < ENOUGH else ': longer training would still help'
    return f' In the last {steps:,} steps, the held-out AP of "{name}" grew by {grown:.3f}{short}.'


def table_lines(table: Table, runs: Runs, measured: dict | None) -> list[str]:
    """The tables of rows, the paper's AP next to ours, and where they were measured."""
    lines: list[str] = []
    for names in (table.parts or {'': list(table.rows)}).values():
        found = {name: runs[name] for name in names if runs[name]}
        if not found:
            continue
        papers = {name: table.rows[name].paper for name in found}
        columns = {"the paper's AP": {name: '' if ap is None else f'{ap:.3f}' for name, ap in papers.items()}}
        columns['parameters, M'] = {name: f'{own[0]["parameters"] / 1e6:.2f}' for name, own in found.items()}
        columns['GMACs'] = {name: f'{own[0]["macs"] / 1e9:.3f}' for name, own in found.items()}
        if measured:
            columns |= cost_columns(measured)
        lines += [*score_table('row', found, SCORES, names[0], columns), '']
    own = [run for found in runs.values() for run in found]
    lines.append(
        f'{join(run["iterations"] for run in own)} steps, {join(run["dtype"] for run in own)}. {measured_on(own)}'
    )
    name, first = next((name, found) for name, found in runs.items() if found)
    lines[-1] += growth_line(name, first)
    if measured:
        lines[-1] += f' Time and memory: one thread, {measured["dtype"]}, on {measured["machine"]}.'
    return [*lines, '']


def cost_columns(measured: dict) -> dict[str, dict[str, str]]:
    """The columns of measured time and memory."""
    rows, batch = measured['rows'], measured['batch']
    if measured['mode'] == 'inference':
        return {'ms per image': {name: f'{1000 * row["seconds"] / batch:.1f}' for name, row in rows.items()}}
    return {
        f's per step of {batch}': {name: f'{row["seconds"]:.3f}' for name, row in rows.items()},
        'peak MiB': {name: f'{row["bytes"] / 2**20:.0f}' for name, row in rows.items()},
    }


def plan_lines(planned: Mapping[int, tuple[int, float]]) -> list[str]:
    """The table of planned steps and hours."""
    lines = ['| table | rows | steps of each run | hours, estimated |', '|---|---|---|---|']
    for number, (steps, hours) in planned.items():
        lines.append(f'| {number}: {TABLES[number].title} | {len(TABLES[number].rows)} | {steps:,} | {hours:.1f} |')
    rows, hours = sum(len(TABLES[number].rows) for number in planned), sum(hours for _, hours in planned.values())
    return [*lines, f'| all | {rows} | | {hours:.1f} |']


def join(values: Iterable[Any]) -> str:
    """The different values, in order."""
    return ' and '.join(f'{value:,}' if isinstance(value, int) else str(value) for value in sorted(set(values)))
