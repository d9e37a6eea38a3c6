"""A small ViTPose on rendered people with frozen attention and its norm.

To start from a pre-trained checkpoint add `--cfg-options load_from=CHECKPOINT`.
"""

_base_ = '../synthetic/vitpose-mini_synthetic-128x96.py'

model = dict(backbone=dict(freeze='attention'))
