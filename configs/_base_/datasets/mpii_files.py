"""MPII (16 keypoints) at 256x192, tested on annotated boxes; PCKh reads head sizes from the .mat file."""

_base_ = ['./loaders.py', './topdown_256x192.py']

data_root = 'data/mpii/'
dataset_type = 'MpiiDataset'
dataset = dict(type='CheckedMpiiDataset', data_root=data_root, data_prefix=dict(img='images/'))
train_pipeline = [*_base_.opening, *_base_.mpii_augmentation, _base_.train_crop, _base_.target, *_base_.train_packing]
train_dataloader = dict(dataset=dict(ann_file='annotations/mpii_train.json', pipeline=train_pipeline, **dataset))
val_dataloader = dict(
    dataset=dict(
        ann_file='annotations/mpii_val.json',
        headbox_file=data_root + 'annotations/mpii_gt_val.mat',
        test_mode=True,
        pipeline=_base_.val_pipeline,
        **dataset,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type='MpiiPCKAccuracy')
test_evaluator = val_evaluator
