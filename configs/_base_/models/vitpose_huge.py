"""ViTPose-H: its drop path, layer decay (both the paper's) and MAE weights."""

_base_ = './vitpose.py'

model = dict(
    backbone=dict(
        arch='huge',
        drop_path_rate=0.55,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmpose/v1/pretrained_models/mae_pretrain_vit_huge_20230913.pth',
        ),
    ),
    head=dict(in_channels=1280),
)
layer_decay_rate = 0.8  # the paper's; on COCO alone the authors have 0.85
