"""The small ViTPose of the built-in people with frozen attention and its norm.

For a pre-trained start add `--cfg-options load_from=CHECKPOINT`.
"""

_base_ = '../synthetic/vitpose-mini_synthetic-128x96.py'

model = dict(backbone=dict(freeze='attention'))
