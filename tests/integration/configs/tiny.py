"""A complete training run in seconds: two narrow blocks at 64x48. The tests set the paths of the data."""

custom_imports = dict(imports=['vitpose_mm'], allow_failed_imports=False)
default_scope = 'mmpose'
log_level = 'INFO'
randomness = dict(seed=0)

codec = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
scaling = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', **scaling),
    backbone=dict(type='ViT', arch=dict(depth=2, embed_dim=48, num_heads=2), img_size=(64, 48), drop_path_rate=0.2),
    head=dict(type='ClassicHead', in_channels=48, out_channels=17, decoder=codec),
    test_cfg=dict(flip_test=True),
)

crop = dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True)
load, pack = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')], dict(type='PackPoseInputs')
flip = dict(type='RandomFlip', direction='horizontal')
augmentation = [flip, dict(type='RandomHalfBody'), dict(type='RandomBBoxTransform')]
train_pipeline = [*load, *augmentation, crop, dict(type='GenerateTarget', encoder=codec), pack]
val_pipeline = [*load, crop, pack]
train_dataloader = dict(
    **dict(batch_size=2, num_workers=2, persistent_workers=False),
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CheckedCocoDataset', pipeline=train_pipeline),
)
val_dataloader = dict(
    **dict(batch_size=8, num_workers=0),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CheckedCocoDataset', test_mode=True, pipeline=val_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric')
test_evaluator = val_evaluator

train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='FiniteOptimWrapper',
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.1),
    clip_grad=dict(max_norm=1.0),
    constructor='ViTLayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(num_layers=2, layer_decay_rate=0.75),
)
param_scheduler = [
    dict(type='LinearLR', begin=0, end=10, start_factor=0.001, by_epoch=False),
    dict(type='MultiStepLR', milestones=[2], gamma=0.1, by_epoch=True),
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CompleteCheckpointHook', interval=1),
    epoch_seed=dict(type='EpochSeedHook'),
    preemption=dict(type='PreemptionHook'),
    non_finite=dict(type='NonFiniteHook'),
)
