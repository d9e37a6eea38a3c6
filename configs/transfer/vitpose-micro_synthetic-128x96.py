"""A student of 4 narrow blocks on the built-in people, alone."""

_base_ = '../synthetic/vitpose-mini_synthetic-128x96.py'

model = dict(backbone=dict(arch=dict(depth=4, embed_dim=96, num_heads=3)), head=dict(in_channels=96))
