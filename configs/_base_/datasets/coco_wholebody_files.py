"""COCO-WholeBody (133 keypoints) at 256x192: images and detected boxes of COCO with other annotations."""

_base_ = './coco_files.py'

val_file = 'annotations/coco_wholebody_val_v1.0.json'
dataset_type = 'CocoWholeBodyDataset'
dataset = dict(type='CheckedCocoWholeBodyDataset')
train_dataloader = dict(dataset=dict(ann_file='annotations/coco_wholebody_train_v1.0.json', **dataset))
val_dataloader = dict(dataset=dict(ann_file=val_file, **dataset))
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoWholeBodyMetric', ann_file=_base_.data_root + val_file)
test_evaluator = val_evaluator
