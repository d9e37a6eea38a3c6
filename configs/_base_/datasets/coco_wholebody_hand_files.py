"""The hands of COCO-WholeBody (21 keypoints) at 256x256, tested on annotated hand boxes, which are square."""

_base_ = './coco_wholebody_files.py'

from vitpose_mm.input_size import set_input_size

set_input_size(_base_, height=256, width=256)
dataset_type = 'CocoWholeBodyHandDataset'
dataset = dict(type='CheckedCocoWholeBodyHandDataset')
train_pipeline = [*_base_.opening, *_base_.hand_augmentation, _base_.train_crop, _base_.target, *_base_.train_packing]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **dataset))
val_dataloader = dict(dataset=dict(bbox_file=None, **dataset))
test_dataloader = val_dataloader
val_evaluator = [dict(type='PCKAccuracy', thr=0.2), dict(type='AUC'), dict(type='EPE')]
test_evaluator = val_evaluator
