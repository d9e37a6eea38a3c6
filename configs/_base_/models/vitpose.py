"""What the models of every size share: top-down estimator, classic decoder, flip test."""

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    backbone=dict(type='ViT', img_size=(256, 192)),
    head=dict(type='ClassicHead', out_channels=17, loss=dict(type='KeypointMSELoss', use_target_weight=True)),
    # UDP puts both passes on the same grid, so the flipped heatmaps are not shifted.
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False),
)
