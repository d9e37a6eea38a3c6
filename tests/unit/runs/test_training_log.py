"""Reading MMEngine's log files."""

import json
from pathlib import Path

import numpy as np

from vitpose.runs.training_log import parse_score, parse_step, read_curve


def test_parsing_log_lines() -> None:
    line = (
        '11/22 15:34:46 - mmengine - INFO - Epoch(train)  [2][ 50/531]  lr: 1.5e-03  eta: 0:01:02  time: 0.25  '
        'data_time: 0.01  loss: 7.321000  loss_kpt: 7.321000  acc_pose: 0.21'
    )
    step = parse_step(line)
    assert step is not None and (step.epoch, step.iteration, step.iterations, step.loss) == (2, 50, 531, 7.321)
    assert parse_score('Epoch(val) [2][22/22]    coco/AP: 0.512  coco/AP .5: 0.8') == 0.512
    assert parse_step('loading') is None and parse_score('loading') is None


def test_curve_counts_iterations_that_were_not_logged(tmp_path: Path) -> None:
    (tmp_path / 'run/vis_data').mkdir(parents=True)
    records = [
        {'loss': 9.0, 'time': 0.6, 'step': 100},
        {'coco/AP': 0.4, 'step': 1},
        {'loss': 3.0, 'time': 0.3, 'step': 231},
    ]
    (tmp_path / 'run/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, records)))
    (tmp_path / 'run/run.log').write_text(
        'Epoch(train)  [1][100/131]  loss: 9.0\nEpoch(train)  [2][100/131]  loss: 3.0\nEpoch(val) [2][8/8]\n'
    )
    curve = read_curve(tmp_path)
    assert curve.iterations == 262
    np.testing.assert_allclose(curve.loss, [(1.0, 9.0), (1.0 + 0.3 * 131 / 60, 3.0)])
    np.testing.assert_allclose(curve.score, [(1.0, 0.4)])
