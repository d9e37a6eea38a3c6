"""``mim train`` and ``mim test`` in bfloat16 on the CPU, with TensorBoard and the usual training recipe."""

import json
import math
import re

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


@pytest.fixture
def trained(write_config, tiny_coco, run, mim, tmp_path):
    """(config, work directory, output) of a run of two epochs."""
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    config = write_config(
        tiny_coco,
        'people.json',
        optim_wrapper__type='AutocastOptimWrapper',
        optim_wrapper__dtype='bfloat16',
        val_evaluator__outfile_prefix=str(tmp_path / 'val'),
        test_evaluator__outfile_prefix=str(tmp_path / 'test'),
        visualizer=dict(type='PoseLocalVisualizer', vis_backends=backends),
    )
    work_dir = tmp_path / 'run'
    output = run(mim, 'train', 'mmpose', config, '--gpus', 0, '--work-dir', work_dir)
    return config, work_dir, output


def scores(text):
    """Every COCO AP in the output, in order."""
    return [float(value) for value in re.findall(r'coco/AP: (-?[\d.]+)', text)]


def test_train_then_test(trained, run, mim, tmp_path):
    config, work_dir, output = trained
    losses = [float(value) for value in re.findall(r' loss: ([\d.]+|nan|inf)', output)]
    assert len(losses) == 24 and all(math.isfinite(loss) for loss in losses)
    assert 'acc_pose: ' in output
    assert len(scores(output)) == 2

    (log,) = work_dir.glob('*/*.log')
    assert log.read_text().count('Optimizer groups') == 1

    checkpoint = torch.load(work_dir / 'epoch_2.pth', map_location='cpu', weights_only=False)
    assert {weight.dtype for weight in checkpoint['state_dict'].values()} <= {torch.float32, torch.int64}
    assert checkpoint['optimizer']['loss_scaler'] == {}

    (events,) = work_dir.glob('*/vis_data/events.out.tfevents*')
    board = EventAccumulator(str(events))
    board.Reload()
    assert [event.value for event in board.Scalars('loss')] == pytest.approx(losses, abs=1e-4)
    assert [event.value for event in board.Scalars('coco/AP')] == pytest.approx(scores(output), abs=1e-4)

    tested = run(
        mim, 'test', 'mmpose', config, '--checkpoint', work_dir / 'epoch_2.pth', '--gpus', 0,
        '--work-dir', tmp_path / 'test_run',
    )  # fmt: skip
    assert scores(tested) == scores(output)[-1:]
    assert 'Could not safely load weights' not in tested
    people, again = (json.loads((tmp_path / f'{part}.keypoints.json').read_text()) for part in ('val', 'test'))
    assert len(people) == 24 and people == again
