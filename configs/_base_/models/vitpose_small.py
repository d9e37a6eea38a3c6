"""ViTPose-S: its drop path, layer decay and MAE weights, as the authors' repository has them."""

_base_ = './vitpose.py'

model = dict(
    backbone=dict(
        arch='small',
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmpose/v1/pretrained_models/mae_pretrain_vit_small_20230913.pth',
        ),
    ),
    head=dict(in_channels=384),
)
layer_decay_rate = 0.8
