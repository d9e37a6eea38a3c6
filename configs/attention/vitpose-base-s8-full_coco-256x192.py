"""ViTPose-B at 1/8 resolution on COCO at 256x192: full attention."""

_base_ = '../coco/vitpose-base_coco-256x192.py'

model = dict(backbone=dict(stride=8), head=dict(feature_stride=8))
