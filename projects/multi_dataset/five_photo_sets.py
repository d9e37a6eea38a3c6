"""Overfitting test: one small ViTPose trained and tested on the same photographs of five datasets.

`memorize.py` fills in the paths, trains, tests and checks the scores.
"""

_base_ = [
    '../../configs/_base_/models/vitpose.py',
    '../../configs/_base_/datasets/two_codecs_256x192.py',
    '../../configs/_base_/schedules/adamw_cosine.py',
    '../../configs/_base_/runtime/multi_dataset.py',
]

epochs = 24
# The OKS of AI Challenger and of faces and hands needs sub-cell accuracy: perfectly predicted heatmaps
# with targets rounded to whole cells score 0.75 and 0.81 AP, with unbiased targets 0.96 and 1.
unbiased = dict(type='BatchMSRAHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2, unbiased=True)
codecs = dict(coco=_base_.udp, aic=unbiased, mpii=_base_.udp, ap10k=_base_.classic, coco_wholebody=unbiased)
keypoints = dict(coco=17, aic=14, mpii=16, ap10k=17, coco_wholebody=133)
sets = dict(
    coco=dict(type='CheckedCocoDataset', ann_file='coco/test_coco.json', data_prefix=dict(img='coco/')),
    aic=dict(type='CheckedAicDataset', ann_file='aic/test_aic.json', data_prefix=dict(img='aic/')),
    mpii=dict(type='CheckedMpiiDataset', ann_file='mpii/test_mpii.json', data_prefix=dict(img='mpii/')),
    ap10k=dict(type='CheckedAP10KDataset', ann_file='ap10k/test_ap10k.json', data_prefix=dict(img='ap10k/')),
    coco_wholebody=dict(
        type='CheckedCocoWholeBodyDataset', ann_file='coco/test_coco_wholebody.json', data_prefix=dict(img='coco/')
    ),
)
# The flip is the only augmentation; the flip test needs it.
crops = {name: _base_.udp_crop if codec == _base_.udp else _base_.classic_crop for name, codec in codecs.items()}
train_sets = [
    dict(
        member,
        pipeline=[
            *_base_.opening,
            _base_.flip,
            dict(crops[name], type='DecodeAndCrop'),
            dict(type='KeypointTarget', encoder=codecs[name]),
            *_base_.train_packing,
        ],
    )
    for name, member in sets.items()
]
val_sets = [
    dict(member, test_mode=True, pipeline=[*_base_.loading, crops[name], *_base_.packing])
    for name, member in sets.items()
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CombinedPoseDataset', datasets=train_sets, sample_ratio_factor=[8, 8, 10, 12, 16]),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CombinedPoseDataset', datasets=val_sets),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='PerDatasetEvaluator',
    datasets=val_sets,
    metrics=[
        dict(type='CocoMetric'),
        dict(type='CocoMetric', use_area=False, prefix='aic'),
        dict(type='MpiiPCKAccuracy', prefix='mpii'),
        dict(type='CocoMetric', prefix='ap10k'),
        dict(type='CocoWholeBodyMetric'),
    ],
)
test_evaluator = val_evaluator

loss = dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=1000.0)
decoder = dict(type='ClassicHead', in_channels=192, deconv_channels=96, loss=loss)
model = dict(
    backbone=dict(arch=dict(depth=6, embed_dim=192, num_heads=3)),
    head=dict(
        _delete_=True,
        type='MultiDatasetHead',
        default_dataset='coco',
        heads={name: dict(decoder, out_channels=keypoints[name], decoder=codec) for name, codec in codecs.items()},
        test_cfgs={name: dict(shift_heatmap=True) for name in ('aic', 'ap10k', 'coco_wholebody')},
    ),
    train_cfg=dict(compute_acc=False),
)

train_cfg = dict(max_epochs=epochs, val_interval=epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', T_max=epochs, eta_min=1e-6, by_epoch=True, convert_to_iter_based=True, end=epochs),
]
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(_delete_=True, type='CompleteCheckpointHook', interval=epochs, max_keep_ckpts=1),
)
