"""ViTPose-H trained on COCO, tested on OCHuman at 256x192; OCHuman has no training set."""

_base_ = ['../_base_/models/vitpose_huge.py', '../_base_/datasets/ochuman_files.py', '../_base_/runtime/default.py']

model = dict(head=dict(decoder=_base_.codec))
