"""APT-36K (animals, 17 keypoints) at 256x192, tested on annotated boxes; the split is not published with it."""

_base_ = ['./loaders.py', './topdown_256x192.py']

data_root = 'data/apt36k/'
val_file = 'annotations/val_annotations_1.json'
dataset_type = 'APT36KDataset'
dataset = dict(type='CheckedAPT36KDataset', data_root=data_root)
train_dataloader = dict(
    dataset=dict(ann_file='annotations/train_annotations_1.json', pipeline=_base_.train_pipeline, **dataset)
)
val_dataloader = dict(dataset=dict(ann_file=val_file, test_mode=True, pipeline=_base_.val_pipeline, **dataset))
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + val_file, prefix='apt36k')
test_evaluator = val_evaluator
