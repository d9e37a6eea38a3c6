"""The demo's network on photographs in COCO's form with CrowdPose's 14 joints, such as Leeds Sports Pose Extended.

Trains in float32, so that results of different processors can be compared.
"""

_base_ = [
    '../../configs/_base_/models/vitpose.py',
    '../../configs/_base_/datasets/loaders.py',
    '../../configs/_base_/datasets/topdown_128x96.py',
    '../../configs/_base_/schedules/adamw_cosine.py',
    '../../configs/_base_/runtime/default.py',
]

arch = dict(depth=6, embed_dim=192, num_heads=3)
model = dict(
    backbone=dict(arch=arch, img_size=(128, 96)),
    head=dict(
        in_channels=192, deconv_channels=64, out_channels=14, decoder=_base_.codec, loss=dict(loss_weight=1000.0)
    ),
    train_cfg=dict(compute_acc=False),
)
data_root = 'data/lspet/'
dataset = dict(type='CheckedCrowdPoseDataset', data_root=data_root, data_prefix=dict(img='images/'))
box = dict(type='GetBBoxCenterScale')
augmented = [
    dict(type='LazyLoadImage'),
    box,
    dict(type='LazyRandomFlip', direction='horizontal'),
    dict(type='FastRandomBBoxTransform', scale_factor=(0.7, 1.3), rotate_factor=80.0),
]
train_pipeline = [*augmented, _base_.train_crop, _base_.target, *_base_.train_packing]
val_pipeline = [dict(type='LoadImage'), box, _base_.crop, *_base_.packing]
train_dataloader = dict(
    batch_size=24,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(ann_file='train.json', pipeline=train_pipeline, **dataset),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(ann_file='val.json', pipeline=val_pipeline, test_mode=True, **dataset),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='CocoMetric', ann_file=data_root + 'val.json'),
    dict(type='PCKAccuracy', thr=0.1, norm_item='bbox'),
]
test_evaluator = val_evaluator
optim_wrapper = dict(type='FiniteOptimWrapper')
