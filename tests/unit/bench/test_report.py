"""Table, plot and JSON of made-up results."""

import json

import cv2
import pytest
from rich.console import Console

from vitpose.bench.report import PACKAGES, draw, table, write_json
from vitpose.bench.rounds import STAGES, Result
from vitpose_base.installed import installed_versions


@pytest.fixture
def results():
    def result(largest, seconds):
        return Result(12, largest, 0.25, {stage: seconds for stage in STAGES})

    return {'ours-fp32': result(0.0, [0.5, 1.0, 2.0]), 'transformers': result(float('nan'), [2.0])}


def test_table_fits_80_columns_and_has_medians_spread_and_differences(results):
    console = Console(width=80, record=True)
    console.print(table(results, 'title\nmachine'))
    text = console.export_text()
    (row,) = (line.split() for line in text.splitlines() if line.strip().startswith('ours-fp32'))
    assert row == ['ours-fp32', *['12', '±38%'] * 4, '0', '0.25']
    assert 'transformers' in text and 'nan' in text and '…' not in text


def test_json_has_every_time_and_is_strict(results, tmp_path):
    path = tmp_path / 'new' / 'bench.json'
    write_json(results, {'rtmlib': 'not installed'}, {'rounds': 3}, path)
    read = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert read['rounds'] == 3 and read['left_out'] == {'rtmlib': 'not installed'}
    ours, other = read['contestants']['ours-fp32'], read['contestants']['transformers']
    assert list(ours['stages']) == list(STAGES)
    assert ours['stages']['network'] == {
        'people_per_second': {'lower_quartile': 9.0, 'median': 12.0, 'upper_quartile': 18.0},
        'seconds': [0.5, 1.0, 2.0],
    }
    assert (ours['largest_difference_px'], other['largest_difference_px']) == (0.0, None)
    versions = installed_versions(PACKAGES)
    assert read['versions'] == versions and {'torch', 'mmpose', 'numpy'} <= set(versions)
    write_json(results, {}, {}, path, ['pytest', 'no_such_package'])
    assert json.loads(path.read_text())['versions'] == versions | {'pytest': pytest.__version__}
    assert [file.name for file in path.parent.iterdir()] == ['bench.json']


def test_plot_is_a_png(results, tmp_path):
    draw(results, 'title', tmp_path / 'bench.png')
    assert [file.name for file in tmp_path.iterdir()] == ['bench.png']
    image = cv2.imread(str(tmp_path / 'bench.png'))
    assert image.shape[1] > 1000 and image.std() > 10
