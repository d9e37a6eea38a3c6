"""Hooks, logs and seeds of a run on several data sets."""

_base_ = './default.py'

custom_hooks = [*_base_.custom_hooks, dict(type='DatasetMixHook')]
# of `mim test --badcase`, which else takes the loss of the one head that it expects
default_hooks = dict(badcase=dict(metric=dict(type='KeypointMSELoss', use_target_weight=True)))
visualizer = dict(type='PerDatasetVisualizer')
