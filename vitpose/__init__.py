"""The command-line tool of vitpose_mm, and `PosePredictor`. Importing it loads only the standard library."""

from typing import TYPE_CHECKING, Any

from .errors import VitPoseError

if TYPE_CHECKING:
    from .predict.predictor import PosePredictor, load_model

__all__ = ['PosePredictor', 'VitPoseError', 'load_model']


def __getattr__(name: str) -> Any:
    """Import `PosePredictor` and `load_model` on first use."""
    if name in __all__:
        from .predict import predictor

        return getattr(predictor, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
