"""ViTPose-B at 1/8 resolution on COCO at 256x192: shifted windows of 8x8 and pooled tokens."""

_base_ = './vitpose-base-s8-full_coco-256x192.py'

model = dict(backbone=dict(attention=dict(window_size=(8, 8), shift=True, pool=True)))
