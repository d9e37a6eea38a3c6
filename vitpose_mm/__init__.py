"""ViTPose for MMPose 1.x: importing this package registers its modules where MMPose is installed."""

from importlib.util import find_spec

from .noise import quiet

__version__ = '0.1.0'

MISSING = [name for name in ('torch', 'mmengine', 'mmcv', 'mmpose') if find_spec(name) is None]
if not MISSING:
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
