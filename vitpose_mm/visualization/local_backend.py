"""Logs and pictures of a run that do not end it when the disk is full."""

import logging
from typing import Any

from mmengine.logging import print_log
from mmengine.visualization import LocalVisBackend
from mmpose.registry import VISBACKENDS


@VISBACKENDS.register_module()
class TolerantVisBackend(LocalVisBackend):
    """MMEngine's ``LocalVisBackend``; a file that cannot be written logs a warning instead of ending the run.

    Args:
        *args, **kwargs: of ``LocalVisBackend``.
    """

    def add_image(self, *args: Any, **kwargs: Any) -> None:
        """Write an image."""
        self._try('add_image', *args, **kwargs)

    def add_scalar(self, *args: Any, **kwargs: Any) -> None:
        """Append a number to the file of numbers."""
        self._try('add_scalar', *args, **kwargs)

    def add_scalars(self, *args: Any, **kwargs: Any) -> None:
        """Append numbers to the file of numbers."""
        self._try('add_scalars', *args, **kwargs)

    def _try(self, name: str, *args: Any, **kwargs: Any) -> None:
        try:
            getattr(super(), name)(*args, **kwargs)
        except OSError as problem:
            print_log(f'{name} of {self._save_dir}: {problem}', logger='current', level=logging.WARNING)
