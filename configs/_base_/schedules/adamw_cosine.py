"""Short training from scratch: AdamW, 4 epochs, warm-up, then cosine decay to almost 0."""

train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=1)
optim_wrapper = dict(
    type='AutocastOptimWrapper',
    constructor='ViTLayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=1.0),
    optimizer=dict(type='AdamW', lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.05),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', T_max=4, eta_min=1e-6, by_epoch=True, convert_to_iter_based=True, begin=0, end=4),
]
