"""ViTPose-H: drop path rate and layer decay of the paper, and MAE weights."""

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
layer_decay_rate = 0.8  # in the paper; the authors' repository has 0.85 for training on COCO alone
