"""ViTPose for MMPose 1.x: importing this package registers its modules."""

from . import backbones, codecs, datasets, estimators, evaluators, heads, hooks, losses, optim, pretrain, visualization  # noqa: F401

__version__ = '0.1.0'
