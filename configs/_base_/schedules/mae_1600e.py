"""Pre-training schedule of MAE: AdamW, 1600 epochs, 40 of them warm-up, then cosine decay; batch size 4096, bf16.

The batch size is GPUs x batch_size of the loader x accumulative_counts: 8 x 64 x 8. For another number of GPUs change
accumulative_counts; for another batch size set lr = 1.5e-4 x batch size / 256.
"""

train_cfg = dict(by_epoch=True, max_epochs=1600)
optim_wrapper = dict(
    type='AutocastOptimWrapper',
    accumulative_counts=8,
    optimizer=dict(type='FusedAdamW', lr=2.4e-3, betas=(0.9, 0.95), weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, by_epoch=True, convert_to_iter_based=True, begin=0, end=40),
    dict(
        type='CosineAnnealingLR', T_max=1560, eta_min=0, by_epoch=True, convert_to_iter_based=True, begin=40, end=1600
    ),
]
