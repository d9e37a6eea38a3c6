"""ViTPose-B at 1/8 resolution on COCO at 576x432: shifted windows of 8x8 and pooled tokens."""

_base_ = './vitpose-base-s8-full_coco-576x432.py'

model = dict(backbone=dict(attention=dict(window_size=(8, 8), shift=True, pool=True)))
