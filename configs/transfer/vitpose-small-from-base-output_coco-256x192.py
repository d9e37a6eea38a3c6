"""ViTPose-S that also learns from the heatmaps of ViTPose-B."""

_base_ = '../coco/vitpose-small_coco-256x192.py'

model = dict(
    type='DistillPoseEstimator',
    teacher=dict(
        config='{{ fileDirname }}/../coco/vitpose-base_coco-256x192.py',
        checkpoint='work_dirs/vitpose-base_coco-256x192/epoch_210.pth',
    ),
)
