"""A small ViTPose at 1/8 resolution on rendered people: windows of 4x4 tokens."""

_base_ = './vitpose-mini-s8-full_synthetic-128x96.py'

model = dict(backbone=dict(attention=dict(window_size=(4, 4))))
