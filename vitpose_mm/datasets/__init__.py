"""MMPose's datasets with checks of their files."""

from . import checked
from .checks import DatasetChecks

__all__ = ['DatasetChecks', 'checked']
