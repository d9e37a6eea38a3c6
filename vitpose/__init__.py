"""The command-line tool of vitpose_mm, and `PosePredictor`. Importing it loads only the standard library."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .predict.predictor import PosePredictor

__all__ = ['PosePredictor']


def __getattr__(name: str) -> Any:
    """Import `PosePredictor` on first use."""
    if name in __all__:
        from .predict.predictor import PosePredictor

        return PosePredictor
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
