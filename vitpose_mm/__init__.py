"""ViTPose for MMPose 1.x: importing this package registers its modules."""

from importlib.util import find_spec

from .noise import quiet

__version__ = '0.1.0'

_MISSING = [name for name in ('torch', 'mmengine', 'mmcv', 'mmpose') if find_spec(name) is None]
if _MISSING:
    raise ModuleNotFoundError(
        f'vitpose_mm, the plugin for MMPose, needs {", ".join(_MISSING)}, not installed here: for torch '
        "pip install 'vitpose_mm[torch]'; requirements/tested.txt says how to install OpenMMLab. Only exported files "
        'are predicted without them',
        name=_MISSING[0],
    )

with quiet():
    import mmpose.visualization  # noqa: F401  # imports MMDetection's metrics

from . import backbones, codecs, datasets, estimators, evaluators, heads, hooks, losses, optim, pretrain, visualization  # noqa: E402, F401
