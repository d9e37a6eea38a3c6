"""Test config: a small ViTPose+ model with three datasets."""

custom_imports = dict(imports=['vitpose_mm'], allow_failed_imports=False)
default_scope = 'mmpose'

udp = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
classic = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
decoder = dict(type='ClassicHead', in_channels=48, deconv_channels=16)
model = dict(
    type='MultiDatasetPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', mean=[120.0, 115, 100], std=[58.0, 57, 57], bgr_to_rgb=True),
    backbone=dict(
        type='ViT',
        arch=dict(depth=2, embed_dim=48, num_heads=2),
        img_size=(64, 48),
        experts=dict(names=['coco', 'mpii', 'aic'], expert_dim=16),
        init_cfg=dict(type='Pretrained', checkpoint='nowhere.pth'),
    ),
    head=dict(
        type='MultiDatasetHead',
        default_dataset='coco',
        heads=dict(
            coco=dict(out_channels=17, decoder=udp, **decoder),
            aic=dict(out_channels=14, decoder=classic, **decoder),
            mpii=dict(out_channels=16, decoder=udp, **decoder),
        ),
        test_cfgs=dict(aic=dict(shift_heatmap=True)),
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False),
)

loading = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
packing = [dict(type='PackPoseInputs')]
udp_val = [*loading, dict(type='TopdownAffine', input_size=(48, 64), use_udp=True), *packing]
classic_val = [*loading, dict(type='TopdownAffine', input_size=(48, 64)), *packing]
coco = dict(type='CheckedCocoDataset', data_root='data/coco/', pipeline=udp_val)
aic = dict(type='CheckedAicDataset', data_root='data/aic/', pipeline=classic_val)
mpii = dict(type='CheckedMpiiDataset', data_root='data/mpii/', pipeline=udp_val)
val_sets = [dict(ann_file='val.json', test_mode=True, **part) for part in (coco, aic, mpii)]
metrics = [
    dict(type='CocoMetric', ann_file='data/coco/val.json'),
    dict(type='CocoMetric', ann_file='data/aic/val.json', use_area=False, prefix='aic'),
    dict(type='MpiiPCKAccuracy', prefix='mpii'),
]
train_dataloader = dict(batch_size=4, dataset=dict(type='CombinedPoseDataset', datasets=[]))
tested, sampler = dict(type='CombinedPoseDataset', datasets=val_sets, pipeline=udp_val), dict(type='DefaultSampler')
val_dataloader = dict(batch_size=4, num_workers=0, sampler=dict(sampler, shuffle=False), dataset=tested)
test_dataloader = dict(val_dataloader, batch_size=8)
val_evaluator = dict(type='MultiDatasetEvaluator', datasets=val_sets, metrics=metrics)
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
train_cfg = dict(max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
custom_hooks = [dict(type='EMAHook')]
default_hooks = dict(logger=dict(type='LoggerHook'), checkpoint=dict(type='CheckpointHook', save_best='coco/AP'))
visualizer = dict(type='PoseLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
