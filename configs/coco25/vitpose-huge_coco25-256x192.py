"""ViTPose-H on COCO's keypoints with neck, hip and feet at 256x192."""

_base_ = [
    '../_base_/models/vitpose_huge.py',
    '../_base_/datasets/coco25_files.py',
    '../_base_/schedules/adamw_210e.py',
    '../_base_/runtime/default.py',
]

model = dict(head=dict(out_channels=25, decoder=_base_.codec), test_cfg=dict(shift_heatmap=True))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=_base_.layer_decay_rate))
