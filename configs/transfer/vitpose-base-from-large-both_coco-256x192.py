"""ViTPose-B with the knowledge token of ViTPose-L that also learns from its heatmaps."""

_base_ = './vitpose-base-from-large-token_coco-256x192.py'

model = dict(
    type='DistillPoseEstimator',
    teacher=dict(
        config='{{ fileDirname }}/../coco/vitpose-large_coco-256x192.py',
        checkpoint='work_dirs/vitpose-large_coco-256x192/epoch_210.pth',
    ),
)
