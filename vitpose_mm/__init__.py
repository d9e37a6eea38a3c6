"""ViTPose for MMPose 1.x: importing this package registers its modules."""

from . import (  # noqa: F401
    backbones,
    codecs,
    datasets,
    estimators,
    evaluators,
    heads,
    hooks,
    losses,
    optim,
    pretrain,
    visualization,
)

__version__ = '0.1.0'
