"""ViTPose-B with frozen attention and its norm (the paper's table 6)."""

_base_ = '../coco/vitpose-base_coco-256x192.py'

model = dict(backbone=dict(freeze='attention'))
