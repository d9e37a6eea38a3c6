"""The page of the study of the paper's tables, from result files with known numbers."""

import json

import cv2
import pytest

from projects.paper import report

MARKS = '<!-- written by study.py: {} -->\nold\n<!-- end -->\n'
PLANNED = {2: (1000, 1.5), 7: (2000, 0.25)}


@pytest.fixture
def write(tmp_path):
    """A function that writes the result files of a row, one per AP."""

    def write_row(table, row, aps, **more):
        for seed, ap in enumerate(aps):
            scores = [{'epoch': epoch, 'AP': ap * epoch / 2, 'AP50': 0.5, 'PCK@0.1': 0.6} for epoch in (1, 2)]
            about = dict(table=table, row=row, seed=seed, scores=scores, parameters=690_000, macs=45_000_000)
            about |= dict(test=scores[-1], epochs=2, iterations=2016, dtype='bfloat16', machine='a machine')
            (tmp_path / f'table{table}_{row}_seed{seed}.json'.replace(' ', '-')).write_text(json.dumps(about | more))

    return write_row


def test_nothing_has_run(tmp_path):
    names = ['verdicts', 'plan', *(f'table {table}' for table in report.TABLES)]
    (tmp_path / 'README.md').write_text('top\n' + ''.join(MARKS.format(name) for name in names))
    report.write_report(tmp_path, tmp_path, PLANNED)
    page = (tmp_path / 'README.md').read_text()
    assert page.startswith('top\n') and 'old' not in page and page.count('Not run yet.') == len(names) - 1
    assert 'All 26 claims are open.' in page
    assert '| 2: Decoders and sizes of the backbone | 9 | 1,000 | 1.5 |' in page and '| all | 14 | | 1.8 |' in page
    assert [path.name for path in tmp_path.iterdir()] == ['README.md']


def test_gains_and_verdicts(write, tmp_path):
    write(7, 'LSP', [0.50, 0.52, 0.51])
    write(7, '+ LSPET', [0.55, 0.57, 0.561])
    write(7, '+ COCO, everyday', [0.49])
    write(6, 'everything', [0.6, 0.61, 0.6])
    write(6, 'MHSA frozen', [0.6, 0.611, 0.599])
    write(8, 'teacher', [0.7])
    report.write_report(tmp_path, tmp_path, PLANNED)
    page = (tmp_path / 'README.md').read_text()
    for text in (
        '| LSP | 0.758 | 0.69 | 0.045 | 3 | 0.510 ± 0.010 | 0.500 ± 0.000 | 0.600 ± 0.000 |  |',
        '| + LSPET | 0.770 | 0.69 | 0.045 | 3 | 0.560 ± 0.010 | 0.500 ± 0.000 | 0.600 ± 0.000 | +0.050 ± 0.001 |',
        '| gain by LSPET | +0.012 | +0.050 ± 0.001 | 3 | agrees |',
        '| gain by LSPET, COCO and everyday | +0.013 | -0.010 | 1 | undecided |',
        '26 claims: 1 agrees, 1 equal, 0 disagrees, 1 undecided, 23 not run yet. APs are 0.490 to 0.700.',
        '- equal: table 6: everything better than MHSA frozen.',
        '- undecided: table 7: gain by LSPET, COCO and everyday.',
        '2,016 steps, bfloat16. Measured on a machine. In the last 1,008 steps, the held-out AP of "LSP" grew by 0.255',
        ': longer training would still help.',
        'Run once, teacher: AP 0.700.',
    ):
        assert text in page
    for name in ('verdicts', 'table7'):
        assert cv2.imread(str(tmp_path / f'{name}.png')).std() > 10
    assert not (tmp_path / 'table2.png').exists()


def test_measured_costs_are_columns(write, tmp_path):
    for table, row, mode in ((4, '128x96', 'inference'), (5, 'window', 'train')):
        write(table, row, [0.1])
        cost = dict(mode=mode, batch=20, dtype='bfloat16', machine='a box', rows={row: dict(seconds=0.5, bytes=2**21)})
        (tmp_path / f'table{table}_cost.json').write_text(json.dumps(cost))
    report.write_report(tmp_path, tmp_path, PLANNED)
    page = (tmp_path / 'README.md').read_text()
    assert "| row | the paper's AP | parameters, M | GMACs | ms per image | seeds |" in page
    assert '| 128x96 |  | 0.69 | 0.045 | 25.0 | 1 |' in page
    assert '| s per step of 20 | peak MiB |' in page and '| window | 0.664 | 0.69 | 0.045 | 0.500 | 2 | 1 |' in page
    assert 'Time and memory: one thread, bfloat16, on a box.' in page
