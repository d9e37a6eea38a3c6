"""The command-line tool of vitpose_mm, and `PosePredictor`. Importing it loads only the standard library."""

from typing import TYPE_CHECKING, Any

from .errors import VitPoseError

if TYPE_CHECKING:
    from .predict.predictor import PosePredictor

__all__ = ['PosePredictor', 'VitPoseError']


def __getattr__(name: str) -> Any:
    """Import `PosePredictor` on first use."""
    if name == 'PosePredictor':
        from .predict.predictor import PosePredictor

        return PosePredictor
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
