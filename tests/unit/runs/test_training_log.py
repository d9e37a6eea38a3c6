import json
import math

import numpy as np

from vitpose.runs.training_log import Step, parse_score, parse_step, read_curve


def test_parsing_log_lines():
    line = '11/22 15:34:46 - mmengine - INFO - Epoch(train)  [2][ 50/531]  lr: 1.5e-03  eta: 0:01:02  time: 0.25  '
    line += 'data_time: 0.01  loss: 7.321000  loss_kpt: 7.321000  acc_pose: 0.21'
    assert parse_step(line) == Step(2, 50, 531, 7.321, '0:01:02')
    assert parse_score('Epoch(val) [2][22/22]    coco/AP: 0.512  coco/AP .5: 0.8') == 0.512
    assert parse_score('Epoch(val) [2][8/8]  NME: 0.5', 'NME') == 0.5
    assert parse_step('loading') is None and parse_score('loading') is None
    assert parse_step(line.replace('7.321000', '-inf')) == Step(2, 50, 531, -math.inf, '0:01:02')
    assert math.isnan(parse_step(line.replace('7.321000', 'nan')).loss)
    assert parse_step(line.replace('7.321000', 'none')) is None and parse_score('coco/AP: unknown') is None
    assert parse_score('coco/AP: 1.2e-05') == 1.2e-5 and math.isnan(parse_score('coco/AP: nan'))


def test_curve_counts_iterations_that_were_not_logged(tmp_path):
    (tmp_path / 'run/vis_data').mkdir(parents=True)
    steps = [{'loss': 9.0, 'time': 0.6, 'step': 100}, {'loss': 3.0, 'time': 0.3, 'step': 231}]
    records = [steps[0], {'coco/AP': 0.4, 'step': 1}, steps[1]]
    cut = '\n{"loss": 2.0, "ti'  # by a full disk
    (tmp_path / 'run/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, records)) + cut)
    log = 'Epoch(train)  [1][100/131]  loss: 9.0\nEpoch(train)  [2][100/131]  loss: 3.0\nEpoch(val) [2][8/8]\n'
    (tmp_path / 'run/run.log').write_text(log)
    curve = read_curve(tmp_path)
    assert curve.iterations == 262
    np.testing.assert_allclose(curve.loss, [(1.0, 9.0), (1.0 + 0.3 * 131 / 60, 3.0)])
    np.testing.assert_allclose(curve.score, [(1.0, 0.4)])


def test_curve_begins_with_the_last_run_that_was_not_resumed(tmp_path):
    """A run that died before its first checkpoint, or whose checkpoints were deleted, is in the same folder."""
    for run, resume, score in (('1', False, 0.9), ('2', False, 0.4), ('3', True, 0.5)):
        folder = tmp_path / run / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text(json.dumps({'coco/AP': score, 'step': 1}))
        (folder / 'config.py').write_text(f'# resume = True\nresume = {resume}\n')
        (folder.parent / 'run.log').touch()
    assert [score for _, score in read_curve(tmp_path).score] == [0.4, 0.5]
