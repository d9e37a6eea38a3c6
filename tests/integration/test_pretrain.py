"""Pre-training by `mim train`: exact resume, any number of processes, and fine-tuning from its checkpoint."""

import pytest
import torch
from mmengine import Config

from tests.integration.checkpoints import check_same, load
from tests.integration.conftest import dump_changed

pytestmark = pytest.mark.slow

ARCH = dict(depth=2, embed_dim=48, num_heads=2)


@pytest.fixture
def pretraining(root, tiny_coco, tmp_path):
    """A function that writes a config of a pre-training of 3 epochs on 24 boxes."""
    files = dict(ann_file=str(tiny_coco / 'people.json'), data_prefix=dict(img=str(tiny_coco)))

    def write(batch_size=8, out='mae.py', **changes):
        config = Config.fromfile(root / 'configs/pretrain/mae-mini_synthetic-128x96.py')
        small = dict(model__backbone__arch=dict(_delete_=True, **ARCH), model__backbone__drop_path_rate=0.1)
        small.update(train_dataloader__batch_size=batch_size, optim_wrapper__accumulative_counts=2)
        small.update(train_dataloader__dataset__sources=[dict(type='CheckedCocoDataset', **files)])
        small.update(default_hooks__checkpoint__interval=1, default_hooks__checkpoint__max_keep_ckpts=3)
        small.update(train_cfg__max_epochs=3, default_hooks__logger__interval=1, log_processor__window_size=1)
        return dump_changed(config, tmp_path / out, small | changes)

    return write


def test_a_killed_pretraining_resumes_to_the_same_weights_and_fine_tuning_starts_from_it(
    pretraining, run, run_until, tmp_path, write_config, tiny_coco
):
    train, whole, killed = ('train', pretraining(), '--work-dir'), tmp_path / 'whole', tmp_path / 'killed'
    run(*train, whole)
    (picture,) = whole.glob('*/vis_data/vis_image/reconstruction_3.png')
    assert list(whole.glob('*/vis_data/events.out.tfevents*')) and picture.stat().st_size > 1000

    run_until(*train, killed, pattern=r'Epoch\(train\) +\[2\]\[1/3\]')
    run(*train, killed, '--resume')
    check_same(whole, killed)
    first, last = (load(whole / f'epoch_{epoch}.pth')['state_dict'] for epoch in (1, 3))
    assert not torch.equal(first['decoder.mask_token'], last['decoder.mask_token'])

    pretrained = dict(type='Pretrained', checkpoint=str(whole / 'epoch_3.pth'))
    vit = dict(_delete_=True, type='ViT', arch=ARCH, img_size=(64, 48), init_cfg=pretrained)
    changes = dict(model__backbone=vit, train_cfg__max_epochs=1, optim_wrapper__optimizer__lr=0.0)
    run('train', write_config(tiny_coco, 'people.json', **changes), '--work-dir', tmp_path / 'fine')
    tuned = load(tmp_path / 'fine/epoch_1.pth')['state_dict']
    for key in ('patch_embed.proj.weight', 'layers.1.attn.qkv.weight', 'last_norm.bias'):
        torch.testing.assert_close(tuned[f'backbone.{key}'], last[f'backbone.{key}'], rtol=0, atol=0)


def test_two_processes_have_the_masks_and_weights_of_one(pretraining, compare_one_and_two_processes):
    """With whole images in a fixed crop, the batches are the same; only the masks are random."""
    crop = dict(type='PretrainCrop', input_size=(96, 128), scale=(1, 1), ratio=(1, 1), flip=0)
    pack = dict(type='PackPoseInputs', meta_keys=('img_path', 'dataset_name', 'flip'))
    plain = dict(train_dataloader__dataset__pipeline=[dict(type='LoadImage'), crop, pack])
    plain.update(optim_wrapper__type='FiniteOptimWrapper')  # in bf16 rounding alone makes a difference of 1e-3
    compare_one_and_two_processes(lambda batch_size, **changes: pretraining(batch_size, **plain, **changes))
