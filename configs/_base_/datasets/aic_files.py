"""AI Challenger (14 keypoints) at 256x192, tested on annotated boxes."""

_base_ = ['./loaders.py', './topdown_256x192.py']

data_root = 'data/aic/'
val_file = 'annotations/aic_val.json'
train_images = 'ai_challenger_keypoint_train_20170902/keypoint_train_images_20170902/'
val_images = 'ai_challenger_keypoint_validation_20170911/keypoint_validation_images_20170911/'
dataset_type = 'AicDataset'
dataset = dict(type='CheckedAicDataset', data_root=data_root)
train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/aic_train.json',
        data_prefix=dict(img=train_images),
        pipeline=_base_.train_pipeline,
        **dataset,
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file=val_file, data_prefix=dict(img=val_images), test_mode=True, pipeline=_base_.val_pipeline, **dataset
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + val_file, use_area=False)
test_evaluator = val_evaluator
