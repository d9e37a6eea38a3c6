"""ViTPose-B on the hands of COCO-WholeBody at 256x256, because hand boxes are square."""

_base_ = [
    '../_base_/models/vitpose_base.py',
    '../_base_/datasets/coco_wholebody_hand_files.py',
    '../_base_/datasets/topdown_256x256.py',
    '../_base_/schedules/adamw_210e.py',
    '../_base_/runtime/default.py',
]

model = dict(backbone=dict(img_size=_base_.codec.input_size[::-1]), head=dict(out_channels=21, decoder=_base_.codec))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=_base_.layer_decay_rate))
train_pipeline = [*_base_.opening, *_base_.hand_augmentation, _base_.train_crop, _base_.target, *_base_.train_packing]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(save_best='AUC'))
