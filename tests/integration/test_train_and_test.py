"""`mim train` and `mim test` in bfloat16 on the CPU, with TensorBoard and the usual training recipe."""

import json
import math
import re

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.integration.checkpoints import load


def scores(text):
    return [float(value) for value in re.findall(r'coco/AP: (-?[\d.]+)', text)]


@pytest.mark.slow
def test_train_then_test(write_config, tiny_coco, run, mim, tmp_path):
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    changes = dict(optim_wrapper__type='AutocastOptimWrapper', optim_wrapper__dtype='bfloat16')
    changes |= {f'{part}_evaluator__outfile_prefix': str(tmp_path / part) for part in ('val', 'test')}
    changes |= dict(visualizer=dict(type='PoseLocalVisualizer', vis_backends=backends))
    config = write_config(tiny_coco, 'people.json', **changes)
    work_dir = tmp_path / 'run'
    output = run(mim, 'train', 'mmpose', config, '--gpus', 0, '--work-dir', work_dir)
    losses = [float(value) for value in re.findall(r' loss: ([\d.]+|nan|inf)', output)]
    assert len(losses) == 24 and all(math.isfinite(loss) for loss in losses)
    assert 'acc_pose: ' in output and len(scores(output)) == 2

    (log,) = work_dir.glob('*/*.log')
    assert log.read_text().count('Optimizer groups') == 1

    checkpoint = load(work_dir / 'epoch_2.pth')
    assert {weight.dtype for weight in checkpoint['state_dict'].values()} <= {torch.float32, torch.int64}
    assert checkpoint['optimizer']['loss_scaler'] == {}

    (events,) = work_dir.glob('*/vis_data/events.out.tfevents*')
    board = EventAccumulator(str(events))
    board.Reload()
    for name, values in {'loss': losses, 'coco/AP': scores(output)}.items():
        assert [event.value for event in board.Scalars(name)] == pytest.approx(values, abs=1e-4)

    test = ('test', 'mmpose', config, '--checkpoint', work_dir / 'epoch_2.pth', '--gpus', 0)
    tested = run(mim, *test, '--work-dir', tmp_path / 'test_run')
    assert scores(tested) == scores(output)[-1:]
    assert 'Could not safely load weights' not in tested
    people, again = (json.loads((tmp_path / f'{part}.keypoints.json').read_text()) for part in ('val', 'test'))
    assert len(people) == 24 and people == again
