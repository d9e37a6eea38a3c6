"""ViTPose-B on the hands of COCO-WholeBody at 256x256, because hand boxes are square."""

_base_ = [
    '../_base_/models/vitpose_base.py',
    '../_base_/datasets/coco_wholebody_hand_files.py',
    '../_base_/schedules/adamw_210e.py',
    '../_base_/runtime/default.py',
]

model = dict(backbone=dict(img_size=_base_.codec.input_size[::-1]), head=dict(out_channels=21, decoder=_base_.codec))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=_base_.layer_decay_rate))
default_hooks = dict(checkpoint=dict(save_best='AUC'))
