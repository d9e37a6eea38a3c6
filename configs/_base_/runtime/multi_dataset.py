"""Hooks, logs and seeds of a run on several data sets."""

_base_ = './default.py'

custom_hooks = [*_base_.custom_hooks, dict(type='DatasetMixHook')]
