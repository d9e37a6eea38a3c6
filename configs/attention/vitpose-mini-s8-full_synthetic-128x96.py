"""A small ViTPose at 1/8 resolution on rendered people: full attention.

`vitpose synth --out data/synthetic_few --train 400 --val 50` renders the data for one epoch.
"""

_base_ = '../synthetic/vitpose-mini_synthetic-128x96.py'

model = dict(backbone=dict(stride=8), head=dict(feature_stride=8))
data_root = 'data/synthetic_few/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + _base_.val_file)
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=1)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=1, eta_min=1e-6, by_epoch=True, convert_to_iter_based=True, begin=0, end=1),
]
