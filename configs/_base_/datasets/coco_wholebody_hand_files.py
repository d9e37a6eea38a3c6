"""The hands of COCO-WholeBody (21 keypoints), tested on annotated hand boxes."""

_base_ = './coco_wholebody_files.py'

dataset_type = 'CocoWholeBodyHandDataset'
dataset = dict(type='CheckedCocoWholeBodyHandDataset')
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dict(bbox_file=None, **dataset))
test_dataloader = val_dataloader
val_evaluator = [dict(type='PCKAccuracy', thr=0.2), dict(type='AUC'), dict(type='EPE')]
test_evaluator = val_evaluator
