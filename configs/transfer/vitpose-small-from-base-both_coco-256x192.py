"""ViTPose-S with the knowledge token of ViTPose-B that also learns from its heatmaps."""

_base_ = './vitpose-small-from-base-token_coco-256x192.py'

model = dict(
    type='DistillPoseEstimator',
    teacher=dict(
        config='{{ fileDirname }}/../coco/vitpose-base_coco-256x192.py',
        checkpoint='work_dirs/vitpose-base_coco-256x192/epoch_210.pth',
    ),
)
