"""Two gloo processes with half the batch each end where one process with the whole batch ends."""

import sys
from pathlib import Path

import torch

STEPS = 3
CODEC = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
PLAIN_PIPELINE = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=(48, 64), use_udp=True),
    dict(type='GenerateTarget', encoder=CODEC),
    dict(type='PackPoseInputs'),
]


def test_same_weights_as_one_process(write_config, tiny_coco, run, mim, tmp_path):
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
        """The same 24 people in 3 steps, without augmentation."""
        path = write_config(
            tiny_coco, 'people.json', train_dataloader__batch_size=batch_size, **changes, **more
        )
        return path.rename(tmp_path / f'batch{batch_size}.py')

    def weights(folder):
        checkpoint = torch.load(folder / 'epoch_1.pth', map_location='cpu', weights_only=False)
        assert checkpoint['meta']['iter'] == STEPS
        return checkpoint['state_dict']

    run(mim, 'train', 'mmpose', config(8), '--gpus', 0, '--work-dir', tmp_path / 'one')
    wrapper = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
    output = run(
        sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2',
        Path(__file__).with_name('gloo_train.py'), config(4, model_wrapper_cfg=wrapper),
        '--launcher', 'pytorch', '--work-dir', tmp_path / 'two',
    )  # fmt: skip
    assert 'GPU number: 2' in output

    one, two = weights(tmp_path / 'one'), weights(tmp_path / 'two')
    assert one.keys() == two.keys()
    moved = (one['backbone.last_norm.weight'] - 1).abs().max().item()
    assert moved > 1e-3, 'three steps changed next to nothing: there is nothing to compare'
    difference = {name: (one[name] - two[name]).abs().max().item() for name in one}
    print('largest difference', max(difference.values()))
    assert max(difference.values()) < 1e-4, difference
