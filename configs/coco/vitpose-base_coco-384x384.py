"""ViTPose-B with the classic decoder on COCO at 384x384."""

_base_ = [
    '../_base_/models/vitpose_base.py',
    '../_base_/datasets/coco_files.py',
    '../_base_/datasets/topdown_384x384.py',
    '../_base_/schedules/adamw_210e.py',
    '../_base_/runtime/default.py',
]

model = dict(backbone=dict(img_size=_base_.codec.input_size[::-1]), head=dict(decoder=_base_.codec))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=_base_.layer_decay_rate))
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = val_dataloader
