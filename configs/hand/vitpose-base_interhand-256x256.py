"""ViTPose-B on InterHand2.6M at 256x256."""

_base_ = [
    '../_base_/models/vitpose_base.py',
    '../_base_/datasets/interhand_files.py',
    '../_base_/schedules/adamw_210e.py',
    '../_base_/runtime/default.py',
]

model = dict(backbone=dict(img_size=(256, 256)), head=dict(out_channels=42, decoder=_base_.codec))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=_base_.layer_decay_rate))
default_hooks = dict(checkpoint=dict(save_best='AUC'))
