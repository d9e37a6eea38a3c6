"""Smoke test: MAE of the demo's network on crops of rendered people, 20 epochs."""

_base_ = [
    '../_base_/models/mae.py',
    '../_base_/datasets/pretrain_224x224.py',
    '../_base_/schedules/mae_1600e.py',
    '../_base_/runtime/pretrain.py',
]

model = dict(
    backbone=dict(arch=dict(depth=6, embed_dim=192, num_heads=3), img_size=(128, 96)),
    decoder=dict(dim=96, depth=2, heads=3),
)
_base_.pipeline[1].update(input_size=(96, 128), padding=1.1)
rendered = dict(
    type='CheckedCocoDataset',
    data_root='data/synthetic/',
    ann_file='annotations/train.json',
    data_prefix=dict(img='train/'),
)
train_dataloader = dict(num_workers=2, dataset=dict(sources=[rendered], pipeline=_base_.pipeline))
train_cfg = dict(max_epochs=20)
optim_wrapper = dict(accumulative_counts=1, optimizer=dict(lr=1.5e-3))
_base_.param_scheduler[0].update(end=2)
_base_.param_scheduler[1].update(T_max=18, begin=2, end=20)
param_scheduler = _base_.param_scheduler
