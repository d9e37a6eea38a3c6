"""Hooks, logging and seed of pre-training, which has no validation; pictures of reconstructions are in vis_data."""

_base_ = './default.py'

val_cfg = None
test_cfg = None
default_hooks = dict(
    checkpoint=dict(_delete_=True, type='CompleteCheckpointHook', interval=20, max_keep_ckpts=1),
    reconstruction=dict(type='ReconstructionHook', interval=20),
)
visualizer = dict(type='Visualizer', vis_backends=[dict(type='TolerantVisBackend'), dict(type='TensorboardVisBackend')])
