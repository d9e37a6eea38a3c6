"""ViTPose for MMPose 1.x: importing this package registers its modules where MMPose is installed."""

from vitpose_base.installed import missing_packages

from .noise import quiet

__version__ = '0.1.0'

if not missing_packages():
    with quiet():
        import mmpose.visualization  # noqa: F401  # imports MMDetection's metrics

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
