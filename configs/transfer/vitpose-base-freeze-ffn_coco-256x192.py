"""ViTPose-B with frozen FFN, its norm, patch embedding and position embedding (the paper's table 6)."""

_base_ = '../coco/vitpose-base_coco-256x192.py'

model = dict(backbone=dict(freeze='ffn'))
