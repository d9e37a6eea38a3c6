"""MAE of ViT-B on the images of ImageNet-1k."""

_base_ = [
    '../_base_/models/mae.py',
    '../_base_/datasets/pretrain_224x224.py',
    '../_base_/schedules/mae_1600e.py',
    '../_base_/runtime/pretrain.py',
]

model = dict(backbone=dict(arch='base'))
train_dataloader = dict(dataset=dict(sources=[_base_.imagenet]))
