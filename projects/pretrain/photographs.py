"""ViTPose-S at 160x128 on photographs with Leeds Sports Pose's 14 joints; the base config of the studies' trainings."""

_base_ = [
    '../../configs/_base_/models/vitpose.py',
    '../../configs/_base_/datasets/loaders.py',
    '../../configs/_base_/datasets/topdown.py',
    '../../configs/_base_/schedules/adamw_cosine.py',
    '../../configs/_base_/runtime/default.py',
]

size = dict(input_size=(128, 160))
codec = dict(type='BatchUDPHeatmap', heatmap_size=(32, 40), sigma=2, **size)
model = dict(
    backbone=dict(arch=dict(depth=12, embed_dim=384, num_heads=6), img_size=(160, 128)),
    head=dict(in_channels=384, deconv_channels=64, out_channels=14, decoder=codec, loss=dict(loss_weight=1000.0)),
    train_cfg=dict(compute_acc=False),
)
data_root = 'data/photographs/'  # written by projects/paper/photographs.py
dataset = dict(
    type='CheckedCrowdPoseDataset',
    metainfo=dict(from_file='projects/real_people/lsp.py'),
    data_root=data_root,
    data_prefix=dict(img='images/'),
)
train_pipeline = [
    *_base_.opening,
    _base_.flip,
    dict(type='FastRandomBBoxTransform', scale_factor=(0.75, 1.25), rotate_factor=40.0),
    dict(type='DecodeAndCrop', use_udp=True, **size),
    dict(type='KeypointTarget', encoder=codec),
    *_base_.train_packing,
]
val_pipeline = [*_base_.loading, dict(type='TopdownAffine', use_udp=True, **size), *_base_.packing]
workers = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    batch_size=32, dataset=dict(ann_file='bodies.json', pipeline=train_pipeline, **dataset), **workers
)
val_dataloader = dict(
    dataset=dict(ann_file='held_out.json', pipeline=val_pipeline, test_mode=True, **dataset), **workers
)
test_dataloader = dict(dataset=dict(ann_file='test.json', pipeline=val_pipeline, test_mode=True, **dataset), **workers)
val_evaluator = [
    dict(type='CocoMetric', ann_file=data_root + 'held_out.json'),
    dict(type='PCKAccuracy', thr=0.1, norm_item='bbox'),
]
test_evaluator = [dict(val_evaluator[0], ann_file=data_root + 'test.json'), val_evaluator[1]]
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8), optimizer=dict(lr=5e-4, betas=(0.9, 0.999)))
default_hooks = dict(checkpoint=dict(interval=1, save_best=None))
