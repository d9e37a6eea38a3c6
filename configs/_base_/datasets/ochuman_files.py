"""OCHuman (17 keypoints) at 256x192, tested on annotated boxes with models trained on COCO; it has no training set."""

_base_ = ['./loaders.py', './topdown_256x192.py']

data_root = 'data/ochuman/'
val_file = 'annotations/ochuman_coco_format_val_range_0.00_1.00.json'
test_file = 'annotations/ochuman_coco_format_test_range_0.00_1.00.json'
dataset_type = 'OCHumanDataset'
dataset = dict(type='CheckedOCHumanDataset', data_root=data_root, data_prefix=dict(img='images/'), test_mode=True)
train_dataloader = None
val_dataloader = dict(dataset=dict(ann_file=val_file, pipeline=_base_.val_pipeline, **dataset))
test_dataloader = dict(dataset=dict(ann_file=test_file, pipeline=_base_.val_pipeline, **dataset))
val_evaluator = dict(type='CocoMetric', ann_file=data_root + val_file)
test_evaluator = dict(type='CocoMetric', ann_file=data_root + test_file)
