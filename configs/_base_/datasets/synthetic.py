"""The rendered data of `vitpose synth --out data/synthetic`, tested on ground-truth boxes."""

_base_ = './loaders.py'

data_root = 'data/synthetic/'
val_file = 'annotations/val.json'
dataset_type = 'CocoDataset'
dataset = dict(type='CheckedCocoDataset', data_root=data_root)
train_dataloader = dict(
    num_workers=2, dataset=dict(ann_file='annotations/train.json', data_prefix=dict(img='train/'), **dataset)
)
val_dataloader = dict(
    num_workers=2, dataset=dict(ann_file=val_file, data_prefix=dict(img='val/'), test_mode=True, **dataset)
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + val_file)
test_evaluator = val_evaluator
