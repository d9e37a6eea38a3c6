import json

import pytest
from rich.console import Console

from vitpose.bench.report import PACKAGES, table, write_json
from vitpose.bench.rounds import STAGES, Result
from vitpose_base.installed import installed_versions

OURS = Result(12, 0.0, 0.25, {stage: [0.5, 1.0, 2.0] for stage in STAGES})
RESULTS = {'ours-fp32': OURS, 'transformers': Result(12, float('nan'), 0.25, {stage: [2.0] for stage in STAGES})}


def test_table_fits_80_columns_and_has_medians_spread_and_differences():
    console = Console(width=80, record=True)
    console.print(table(RESULTS, 'title\nmachine'))
    text = console.export_text()
    (row,) = (line.split() for line in text.splitlines() if line.strip().startswith('ours-fp32'))
    assert row == ['ours-fp32', *['12', '±38%'] * 4, '0', '0.25']
    assert 'transformers' in text and 'nan' in text and '…' not in text


def test_json_has_every_time_and_is_strict(tmp_path):
    path = tmp_path / 'new' / 'bench.json'
    write_json(RESULTS, {'rtmlib': 'not installed'}, {'rounds': 3}, path, ['pytest', 'no_such_package'])
    report = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert report['rounds'] == 3 and report['left_out'] == {'rtmlib': 'not installed'}
    ours, other = report['contestants']['ours-fp32'], report['contestants']['transformers']
    assert list(ours['stages']) == list(STAGES)
    rate = {'lower_quartile': 9.0, 'median': 12.0, 'upper_quartile': 18.0}
    assert ours['stages']['network'] == {'people_per_second': rate, 'seconds': [0.5, 1.0, 2.0]}
    assert (ours['largest_difference_px'], other['largest_difference_px']) == (0.0, None)
    assert report['versions'] == installed_versions(PACKAGES) | {'pytest': pytest.__version__}
    assert {'torch', 'mmpose', 'numpy'} <= set(report['versions'])
    assert [file.name for file in path.parent.iterdir()] == ['bench.json']
