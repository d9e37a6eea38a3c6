"""A small student of 4 blocks of width 96 on rendered people, without a teacher."""

_base_ = '../synthetic/vitpose-mini_synthetic-128x96.py'

model = dict(backbone=dict(arch=dict(depth=4, embed_dim=96, num_heads=3)), head=dict(in_channels=96))
