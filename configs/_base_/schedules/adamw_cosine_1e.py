"""One epoch from scratch: AdamW, warm-up, then cosine decay to almost 0."""

_base_ = './adamw_cosine.py'

train_cfg = dict(max_epochs=1)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=1, eta_min=1e-6, by_epoch=True, convert_to_iter_based=True, begin=0, end=1),
]
