"""ViTPose-S at 256x192 on photographs, with a head for COCO's 17 keypoints and one for Leeds Sports Pose's 14."""

_base_ = [
    '../../configs/_base_/models/vitpose.py',
    '../../configs/_base_/datasets/loaders.py',
    '../../configs/_base_/datasets/topdown.py',
    '../../configs/_base_/schedules/adamw_cosine.py',
    '../../configs/_base_/runtime/multi_dataset.py',
]

size = dict(input_size=(192, 256))
codec = dict(type='BatchUDPHeatmap', heatmap_size=(48, 64), sigma=2, **size)
head = dict(type='ClassicHead', in_channels=384, decoder=codec, loss=dict(type='HeatmapCrossEntropyLoss'))
model = dict(
    backbone=dict(arch=dict(depth=12, embed_dim=384, num_heads=6), drop_path_rate=0.0),
    head=dict(
        _delete_=True,
        type='MultiDatasetHead',
        default_dataset='coco',
        heads=dict(coco=dict(head, out_channels=17), lsp=dict(head, out_channels=14)),
    ),
    train_cfg=dict(compute_acc=False),
)
photographs = 'data/real_people/'  # written by photographs.py
prefix = dict(data_root=photographs, data_prefix=dict(img='images/'))
coco = dict(type='CheckedCocoDataset', **prefix)
lsp = dict(type='CheckedCrowdPoseDataset', metainfo=dict(from_file='projects/real_people/lsp.py'), **prefix)
train_pipeline = [
    *_base_.opening,
    dict(type='LazyRandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', prob=0.3),
    dict(type='FastRandomBBoxTransform', scale_factor=(0.7, 1.35), rotate_factor=60.0),
    dict(type='DecodeAndCrop', use_udp=True, **size),
    dict(type='KeypointTarget', encoder=codec),
    *_base_.train_packing,
]
val_pipeline = [*_base_.loading, dict(type='TopdownAffine', use_udp=True, **size), *_base_.packing]
combined = dict(type='CombinedPoseDataset', metainfo=dict(from_file='configs/_base_/datasets/coco.py'))
train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    sampler=dict(_delete_=True, type='FixedMixSampler', batch_size=32, source_ratio=[7, 1]),
    dataset=dict(
        datasets=[
            dict(ann_file='everybody.json', pipeline=train_pipeline, **coco),
            dict(ann_file='bodies_14.json', pipeline=train_pipeline, **lsp),
        ],
        **combined,
    ),
)
val_sets = [
    dict(ann_file='choose.json', pipeline=val_pipeline, test_mode=True, **coco),
    dict(ann_file='choose_14.json', pipeline=val_pipeline, test_mode=True, **lsp),
]
val_dataloader = dict(num_workers=2, dataset=dict(datasets=val_sets, pipeline=val_pipeline, **combined))
test_dataloader = val_dataloader
val_evaluator = dict(
    type='PerDatasetEvaluator',
    datasets=val_sets,
    metrics=[
        dict(type='CocoMetric', ann_file=photographs + 'choose.json'),
        dict(type='CocoMetric', ann_file=photographs + 'choose_14.json', prefix='lsp'),
    ],
)
test_evaluator = val_evaluator
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8), optimizer=dict(lr=5e-4, betas=(0.9, 0.999)))
dataset_type = 'CocoDataset'  # read by MMPose's inferencers
