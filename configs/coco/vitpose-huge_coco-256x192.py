"""ViTPose-H with the classic decoder on COCO at 256x192."""

_base_ = [
    '../_base_/models/vitpose_huge.py',
    '../_base_/datasets/coco_files.py',
    '../_base_/schedules/adamw_210e.py',
    '../_base_/runtime/default.py',
]

model = dict(head=dict(decoder=_base_.codec))
# as for the published weights of this model; the paper's table 1 has 0.80
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.85))
