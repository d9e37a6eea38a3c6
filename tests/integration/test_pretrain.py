"""Pre-training by `mim train`: exact resume, any number of processes, and fine-tuning from its checkpoint."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config

pytestmark = pytest.mark.slow

ARCH = dict(depth=2, embed_dim=48, num_heads=2)
CONFIG = Path(__file__).parents[2] / 'configs/pretrain/mae-mini_synthetic-128x96.py'


@pytest.fixture
def pretraining(tiny_coco, tmp_path):
    """A function that writes a config of a pre-training of 3 epochs on 24 boxes."""

    def write(name='mae.py', batch_size=8, **changes):
        config = Config.fromfile(CONFIG)
        config.merge_from_dict({
            'model.backbone.arch': dict(_delete_=True, **ARCH),
            'model.backbone.drop_path_rate': 0.1,
            'train_dataloader.batch_size': batch_size,
            'train_dataloader.dataset.sources': [
                dict(
                    type='CheckedCocoDataset',
                    ann_file=str(tiny_coco / 'people.json'),
                    data_prefix=dict(img=str(tiny_coco)),
                )
            ],
            'train_cfg.max_epochs': 3,
            'default_hooks.checkpoint.interval': 1,
            'default_hooks.checkpoint.max_keep_ckpts': 3,
            'optim_wrapper.accumulative_counts': 2,
            'log_processor.window_size': 1,
            'default_hooks.logger.interval': 1,
            **{key.replace('__', '.'): value for key, value in changes.items()},
        })  # fmt: skip
        config.dump(tmp_path / name)
        return tmp_path / name

    return write


def load(path):
    """A checkpoint of MMEngine."""
    return torch.load(path, map_location='cpu', weights_only=False)


def test_a_killed_pretraining_resumes_to_the_same_weights_and_fine_tuning_starts_from_it(
    pretraining, run, run_until, tmp_path, write_config, tiny_coco
):
    train = ('train', pretraining(), '--work-dir')
    whole = tmp_path / 'whole'
    run(*train, whole)
    (picture,) = whole.glob('*/vis_data/vis_image/reconstruction_3.png')
    assert list(whole.glob('*/vis_data/events.out.tfevents*')) and picture.stat().st_size > 1000

    run_until(*train, tmp_path / 'killed', pattern=r'Epoch\(train\) +\[2\]\[1/3\]')
    run(*train, tmp_path / 'killed', '--resume')
    one, other = (load(folder / 'epoch_3.pth')['state_dict'] for folder in (whole, tmp_path / 'killed'))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert not torch.equal(one['decoder.mask_token'], load(whole / 'epoch_1.pth')['state_dict']['decoder.mask_token'])

    fine = write_config(
        tiny_coco,
        'people.json',
        model__backbone=dict(
            _delete_=True, type='ViT', arch=dict(depth=2, embed_dim=48, num_heads=2), img_size=(64, 48)
        ),
        model__head__in_channels=48,
        train_cfg__max_epochs=1,
        optim_wrapper__optimizer__lr=0.0,
        model__backbone__init_cfg=dict(type='Pretrained', checkpoint=str(whole / 'epoch_3.pth')),
    )
    run('train', fine, '--work-dir', tmp_path / 'fine')
    tuned = load(tmp_path / 'fine/epoch_1.pth')['state_dict']
    for key in ('patch_embed.proj.weight', 'layers.1.attn.qkv.weight', 'last_norm.bias'):
        assert torch.equal(tuned[f'backbone.{key}'], one[f'backbone.{key}'])


def test_two_processes_have_the_masks_and_weights_of_one(pretraining, run, tmp_path):
    """With whole images in a fixed crop, the batches are the same; only the masks are random."""
    plain = dict(
        model__backbone__drop_path_rate=0.0,
        optim_wrapper__type='FiniteOptimWrapper',  # in bf16 rounding alone makes a difference of 1e-3
        train_dataloader__num_workers=0,
        train_dataloader__persistent_workers=False,
        train_dataloader__dataset__pipeline=[
            dict(type='LoadImage'),
            dict(type='PretrainCrop', input_size=(96, 128), scale=(1, 1), ratio=(1, 1), flip=0),
            dict(type='PackPoseInputs', meta_keys=('img_path', 'dataset_name', 'flip')),
        ],
        train_cfg__max_epochs=1,
    )
    run('train', pretraining('one.py', 8, **plain), '--work-dir', tmp_path / 'one')
    wrapper = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
    two = pretraining('two.py', 4, model_wrapper_cfg=wrapper, **plain)
    run('train', two, '--work-dir', tmp_path / 'two', gloo=2)
    one, two = (load(tmp_path / name / 'epoch_1.pth') for name in ('one', 'two'))
    moments = [
        np.concatenate([state['exp_avg'].flatten().numpy() for state in each['optimizer']['state'].values()])
        for each in (one, two)
    ]
    # AdamW's first moment is linear in the gradients; other masks would change it completely
    assert np.linalg.norm(moments[0] - moments[1]) <= 1e-4 * np.linalg.norm(moments[0])
