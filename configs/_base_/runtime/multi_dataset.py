"""Hooks, logging and seed of multi-dataset runs."""

_base_ = './default.py'

custom_hooks = [*_base_.custom_hooks, dict(type='DatasetMixHook')]
# for `mim test --badcase`, which otherwise expects a single head and uses its loss
default_hooks = dict(badcase=dict(metric=dict(type='KeypointMSELoss', use_target_weight=True)))
visualizer = dict(type='PerDatasetVisualizer')
