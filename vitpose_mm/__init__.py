"""ViTPose for MMPose 1.x: importing this package registers its modules."""

import os
import sys

__version__ = '0.1.0'

# `vitpose doctor` has to start where the stack is broken: it reads versions and imports nothing.
if not (os.path.basename(sys.argv[0]) == 'vitpose' and sys.argv[1:2] == ['doctor']):
    from . import backbones, datasets, estimators, evaluators, heads, hooks, losses, optim, visualization  # noqa: F401
