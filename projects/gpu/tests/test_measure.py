"""The measurement at toy size on the CPU; figures of a card come from a card."""

import json
from importlib.util import find_spec

import pytest
import torch

from projects.gpu import measure

TOY = '--device cpu --sizes toy --precisions fp32 --batches 1 2 --seconds 0 --no-compile --price 2'


@pytest.mark.slow
def test_all_parts_at_toy_size(tmp_path, capsys):
    measure.main([*TOY.split(), '--peak', '1e12', '--out', str(tmp_path)])
    results = json.loads((tmp_path / 'results.json').read_text())
    parts = {row['part'] for row in results['rows']}
    assert parts == {'network', 'end to end', 'decoding', 'crops', 'training'}
    assert all(row['rate'] > 0 for row in results['rows']) and results['about']['torch'] == torch.__version__
    network = results['rows'][0]
    assert network['share'] == pytest.approx(2 * results['macs']['toy'] * network['rate'] / 1e12)
    assert '| decoding | toy | fp32 | no | 2 |' in (tmp_path / 'table.md').read_text()
    assert (tmp_path / 'peak.png').is_file() == (find_spec('matplotlib') is not None)
    assert 'hours' not in capsys.readouterr().out  # no figure of COCO from a toy


def test_cases_after_the_time_are_listed(tmp_path, capsys):
    measure.main([*TOY.split(), '--minutes', '0', '--out', str(tmp_path)])
    assert capsys.readouterr().out.count('not run, the time was over: Case(') == 6


def test_hours_and_cost_follow_from_the_measured_step():
    row = dict(vars(measure.Case('training')), rate=1000.0, share=None)
    assert '8.7 hours, 17 at 2 per hour' in measure.tabulate([row], {}, [], 2.0)


def test_the_base_network_has_the_macs_of_the_paper():
    assert measure.count_macs('base') == pytest.approx(17.9e9, rel=0.05)
