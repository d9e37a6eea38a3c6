"""Halpe-26 (body and feet; MMPose's metainfo) at 256x192, tested on annotated boxes.

The annotation files have the first 26 of the 136 keypoints of Halpe's `halpe_{train,val}_v1.json`.
"""

_base_ = ['./loaders.py', './topdown_256x192.py']

data_root = 'data/halpe/'
val_file = 'annotations/halpe26_val.json'
dataset_type = 'CocoDataset'
metainfo = dict(from_file='configs/_base_/datasets/halpe26.py', category='person')
dataset = dict(type='CheckedCocoDataset', data_root=data_root, metainfo=metainfo)
train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/halpe26_train.json',
        data_prefix=dict(img='hico_20160224_det/images/train2015/'),
        pipeline=_base_.train_pipeline,
        **dataset,
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file=val_file, data_prefix=dict(img='val2017/'), test_mode=True, pipeline=_base_.val_pipeline, **dataset
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + val_file)
test_evaluator = val_evaluator
