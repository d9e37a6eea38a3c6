"""Masked autoencoder: a ViT, the decoder of MAE, three quarters of the patches masked."""

model = dict(
    type='MaskedAutoencoder',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        non_blocking=True,  # the loaders pin their batches
    ),
    backbone=dict(type='ViT', img_size=(224, 224)),
    decoder=dict(dim=512, depth=8, heads=16),
    mask_ratio=0.75,
)
