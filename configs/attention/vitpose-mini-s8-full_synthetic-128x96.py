"""A small ViTPose at 1/8 features on built-in people: full attention.

`vitpose synth --out data/synthetic --train 1000 --val 100` renders enough for its one epoch.
"""

_base_ = '../synthetic/vitpose-mini_synthetic-128x96.py'

model = dict(backbone=dict(stride=8), head=dict(feature_stride=8))
train_cfg = dict(max_epochs=1)
