"""The small ViTPose of the built-in people with frozen FFN, its norm, patch embedding and position table.

For a pre-trained start add `--cfg-options load_from=CHECKPOINT`.
"""

_base_ = '../synthetic/vitpose-mini_synthetic-128x96.py'

model = dict(backbone=dict(freeze='ffn'))
