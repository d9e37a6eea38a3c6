"""Two gloo processes with half the batch each give the same weights as one process with the whole batch."""

import pytest

pytestmark = pytest.mark.slow

STEPS = 3
CODEC = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
PLAIN_PIPELINE = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=(48, 64), use_udp=True),
    dict(type='GenerateTarget', encoder=CODEC),
    dict(type='PackPoseInputs'),
]


def test_two_processes_give_the_same_weights_as_one(write_config, tiny_coco, compare_one_and_two_processes, tmp_path):
    changes = dict(
        model__backbone__drop_path_rate=0.0,
        model__head__type='SimpleHead',
        train_dataloader__num_workers=0,
        train_dataloader__dataset__pipeline=PLAIN_PIPELINE,
        train_cfg__max_epochs=1,
        train_cfg__val_begin=9,
        param_scheduler=[],
    )

    def config(batch_size, **more):
        """Write a config that trains on the same 24 people in 3 steps, without augmentation."""
        path = write_config(tiny_coco, 'people.json', train_dataloader__batch_size=batch_size, **changes, **more)
        return path.rename(tmp_path / f'batch{batch_size}.py')

    checkpoints, _ = compare_one_and_two_processes(config)
    assert [checkpoint['meta']['iter'] for checkpoint in checkpoints] == [STEPS, STEPS]
