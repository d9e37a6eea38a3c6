"""The measurement at toy size on the CPU; figures of a card come from a card."""

import json
from importlib.util import find_spec

import numpy as np
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


def test_a_batch_with_covariances_is_copied_to_the_host_once(monkeypatch):
    model = measure.RandomModel('toy', device='cpu')
    crops = np.random.default_rng(0).integers(0, 256, (3, *measure.SIZE[::-1], 3), np.uint8)
    copies, copy = [], torch.Tensor.cpu
    keypoints, scores = model.predict(crops)
    monkeypatch.setattr(torch.Tensor, 'cpu', lambda tensor: copies.append(tensor.shape) or copy(tensor))
    judged = model.predict(crops, ['covariance'])
    assert len(copies) == 1
    np.testing.assert_array_equal(judged[0], keypoints)
    np.testing.assert_array_equal(judged[1], scores)
    heatmaps = model.heatmaps(crops)
    expected = model.codec.covariances(heatmaps, torch.from_numpy(keypoints))
    np.testing.assert_array_equal(judged[2]['covariance'], expected)
