"""A small student that also learns from its teacher's heatmaps."""

_base_ = './vitpose-micro_synthetic-128x96.py'

model = dict(
    type='DistillPoseEstimator',
    teacher=dict(
        config='{{ fileDirname }}/../synthetic/vitpose-mini_synthetic-128x96.py',
        checkpoint='work_dirs/vitpose-mini_synthetic-128x96/epoch_4.pth',
    ),
    distill_loss=dict(type='HeatmapDistillLoss', loss_weight=1000.0),  # as the head's own loss
)
