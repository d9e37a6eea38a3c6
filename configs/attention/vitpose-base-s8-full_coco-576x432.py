"""ViTPose-B at 1/8 resolution on COCO at 576x432: full attention."""

_base_ = '../coco/vitpose-base_coco-576x432.py'

model = dict(backbone=dict(stride=8), head=dict(feature_stride=8))
