"""Tables and curves of the study from its result files."""

import json
from pathlib import Path

from projects.studies.study_report import draw_curves, measured_on, score_table, write_between_marks

ROWS = {
    'scratch': 'from scratch',
    'rendered': 'pre-trained on rendered people',
    'crops': 'pre-trained on crops of the photographs',
    'images': 'pre-trained on whole photographs',
}
SCORES = ('AP', 'AP50', 'PCK@0.1')
BEGIN = '<!-- written by study.py -->'


def write_report(results: Path, out: Path) -> None:
    """Write the tables into README.md between its two marks, and curves.png.

    Args:
        results: folder of the result files.
        out: folder of both; README.md is created if it is missing.
    """
    records = [json.loads(path.read_text(encoding='utf-8')) for path in sorted(results.glob('*_seed*.json'))]
    lines, panels = [], {}
    for count in sorted({record['labels'] for record in records}, reverse=True):
        found = [record for record in records if record['labels'] == count]
        runs = {name: [each for each in found if each['start'] == start] for start, name in ROWS.items()}
        runs = panels[f'{count} labelled photographs'] = {name: own for name, own in runs.items() if own}
        lines += [f'### {count} labelled photographs, {found[0]["iterations"]} iterations of fine-tuning', '']
        lines += score_table('start', runs, SCORES, ROWS['scratch'])
        lines += ['', measured_on(found), '']
    write_between_marks(out / 'README.md', BEGIN, lines)
    draw_curves(panels, 'AP', out / 'curves.png')
