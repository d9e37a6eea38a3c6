"""The command-line tool of vitpose_mm, and `PosePredictor`. Importing it loads only the standard library."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import VitPoseError

if TYPE_CHECKING:
    from .predict.drawing import DrawStyle, draw_poses
    from .predict.inputs.video import read_video
    from .predict.poses import Frame, Poses
    from .predict.predictor import PosePredictor, load_model
    from .predict.smoothing import smooth
    from .predict.tracking import Tracker

__all__ = ['DrawStyle', 'Frame', 'PosePredictor', 'Poses', 'Tracker', 'VitPoseError', 'draw_poses', 'load_model']
__all__ += ['read_video', 'smooth']
_MODULES = {
    **dict(PosePredictor='predictor', load_model='predictor', Frame='poses', Poses='poses', Tracker='tracking'),
    **dict(DrawStyle='drawing', draw_poses='drawing', read_video='inputs.video', smooth='smoothing'),
}


def __getattr__(name: str) -> Any:
    """Import a name from its module below `vitpose.predict` on first use."""
    if name in _MODULES:
        return getattr(import_module(f'.predict.{_MODULES[name]}', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
