"""Overfitting test: two blocks of ViT-tiny's width at 128x96 in bfloat16, trained from scratch on twelve people."""

_base_ = './tiny.py'

steps = 150
size = (96, 128)
codec = dict(type='UDPHeatmap', input_size=size, heatmap_size=(24, 32), sigma=2)
model = dict(
    backbone=dict(arch=dict(depth=2, embed_dim=192, num_heads=3), img_size=(128, 96), drop_path_rate=0.0),
    head=dict(type='SimpleHead', in_channels=192, decoder=codec),
    test_cfg=dict(flip_test=False),
)

crop = [*_base_.load, dict(type='TopdownAffine', input_size=size, use_udp=True)]
targets = [dict(type='GenerateTarget', encoder=codec), dict(type='PackPoseInputs')]
train_dataloader = dict(batch_size=12, num_workers=1, persistent_workers=True)
train_dataloader.update(sampler=dict(type='InfiniteSampler'), dataset=dict(pipeline=crop + targets))
val_dataloader = dict(batch_size=12, dataset=dict(pipeline=crop + targets[1:]))
test_dataloader = val_dataloader

train_cfg = dict(_delete_=True, by_epoch=False, max_iters=steps, val_begin=steps, val_interval=steps)
optimizer = dict(type='AdamW', lr=2e-3, weight_decay=0.0)
optim_wrapper = dict(_delete_=True, type='AutocastOptimWrapper', optimizer=optimizer, clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=20, start_factor=0.01, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=20, end=steps, eta_min=1e-6, by_epoch=False),
]
default_hooks = dict(
    _delete_=True,
    logger=dict(type='LoggerHook', interval=50),
    checkpoint=dict(type='CompleteCheckpointHook', by_epoch=False, interval=-1, save_last=False),
)
