"""MPII (16 keypoints), tested on annotated boxes; PCKh reads head sizes from the .mat file."""

_base_ = './loaders.py'

data_root = 'data/mpii/'
dataset_type = 'MpiiDataset'
dataset = dict(type='CheckedMpiiDataset', data_root=data_root, data_prefix=dict(img='images/'))
train_dataloader = dict(dataset=dict(ann_file='annotations/mpii_train.json', **dataset))
val_dataloader = dict(
    dataset=dict(
        ann_file='annotations/mpii_val.json',
        headbox_file=data_root + 'annotations/mpii_gt_val.mat',
        test_mode=True,
        **dataset,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type='MpiiPCKAccuracy')
test_evaluator = val_evaluator
