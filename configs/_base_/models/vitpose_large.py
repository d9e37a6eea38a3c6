"""ViTPose-L: drop path rate and layer decay of the paper, and MAE weights."""

_base_ = './vitpose.py'

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.5,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmpose/v1/pretrained_models/mae_pretrain_vit_large_20230913.pth',
        ),
    ),
    head=dict(in_channels=1024),
)
layer_decay_rate = 0.8
