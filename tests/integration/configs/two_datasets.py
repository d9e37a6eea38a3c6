"""`tiny.py` on two datasets: 17 keypoints with UDP and 14 with the classic codec, at the same input size."""

_base_ = './tiny.py'

classic = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
classic_crop = dict(type='TopdownAffine', input_size=(48, 64))
classic_target = dict(type='GenerateTarget', encoder=classic)
classic_train = [*_base_.load, *_base_.augmentation, classic_crop, classic_target, _base_.pack]

coco = dict(type='CheckedCocoDataset', ann_file='people.json', data_prefix=dict(img=''))
aic = dict(type='CheckedAicDataset', ann_file='athletes.json', data_prefix=dict(img=''))
val_sets = [
    dict(pipeline=_base_.val_pipeline, test_mode=True, **coco),
    dict(pipeline=[*_base_.load, classic_crop, _base_.pack], test_mode=True, **aic),
]
train_sets = [dict(pipeline=_base_.train_pipeline, **coco), dict(pipeline=classic_train, **aic)]
train_dataloader = dict(
    batch_size=4,
    sampler=dict(_delete_=True, type='FixedMixSampler', batch_size=4, source_ratio=[3, 1]),
    dataset=dict(_delete_=True, type='CombinedPoseDataset', datasets=train_sets),
)
val_dataloader = dict(dataset=dict(_delete_=True, type='CombinedPoseDataset', datasets=val_sets))
test_dataloader = val_dataloader
metrics = [dict(type='CocoMetric'), dict(type='CocoMetric', use_area=False, prefix='aic')]
val_evaluator = dict(_delete_=True, type='PerDatasetEvaluator', datasets=val_sets, metrics=metrics)
test_evaluator = val_evaluator

head = dict(type='ClassicHead', in_channels=48)
heads = dict(
    coco=dict(out_channels=17, decoder=_base_.codec, **head), aic=dict(out_channels=14, decoder=classic, **head)
)
several = dict(type='MultiDatasetHead', default_dataset='coco', test_cfgs=dict(aic=dict(shift_heatmap=True)))
model = dict(head=dict(_delete_=True, heads=heads, **several))
default_hooks = dict(dataset_mix=dict(type='DatasetMixHook'), run_check=dict(type='RunCheckHook'))
visualizer = dict(
    type='PerDatasetVisualizer', vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
)
