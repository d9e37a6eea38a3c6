"""A small student with its teacher's knowledge token that also learns from its heatmaps."""

_base_ = './vitpose-micro-from-mini-token_synthetic-128x96.py'

model = dict(
    type='DistillPoseEstimator',
    teacher=dict(
        config='{{ fileDirname }}/../synthetic/vitpose-mini_synthetic-128x96.py',
        checkpoint='work_dirs/vitpose-mini_synthetic-128x96/epoch_4.pth',
    ),
    distill_loss=dict(type='HeatmapDistillLoss', loss_weight=1000.0),  # as the head's own loss
)
