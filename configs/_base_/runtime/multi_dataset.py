"""Hooks, logging and seed of multi-dataset runs."""

_base_ = './default.py'

default_hooks = dict(
    # for `mim test --badcase`, which otherwise expects a single head and uses its loss
    badcase=dict(metric=dict(type='KeypointMSELoss', use_target_weight=True)),
    dataset_mix=dict(type='DatasetMixHook'),
)
visualizer = dict(type='PerDatasetVisualizer')
