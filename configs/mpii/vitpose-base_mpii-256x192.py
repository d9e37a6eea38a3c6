"""ViTPose-B on MPII at 256x192."""

_base_ = [
    '../_base_/models/vitpose_base.py',
    '../_base_/datasets/mpii_files.py',
    '../_base_/datasets/topdown_256x192.py',
    '../_base_/schedules/adamw_210e.py',
    '../_base_/runtime/default.py',
]

model = dict(head=dict(out_channels=16, decoder=_base_.codec))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=_base_.layer_decay_rate))
train_pipeline = [*_base_.opening, *_base_.mpii_augmentation, _base_.train_crop, _base_.target, *_base_.train_packing]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(save_best='PCK'))
