"""ViTPose-B: drop path rate and layer decay of the paper, and MAE weights."""

_base_ = './vitpose.py'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.3,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmpose/v1/pretrained_models/mae_pretrain_vit_base_20230913.pth',
        ),
    ),
    head=dict(in_channels=768),
)
layer_decay_rate = 0.75
