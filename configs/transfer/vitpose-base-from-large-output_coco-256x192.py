"""ViTPose-B that also learns from the heatmaps of ViTPose-L."""

_base_ = '../coco/vitpose-base_coco-256x192.py'

model = dict(
    type='DistillPoseEstimator',
    teacher=dict(
        config='{{ fileDirname }}/../coco/vitpose-large_coco-256x192.py',
        checkpoint='work_dirs/vitpose-large_coco-256x192/epoch_210.pth',
    ),
)
