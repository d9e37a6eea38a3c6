"""Logs and pictures of a run that do not end it when the disk is full."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from mmengine.logging import print_log
from mmengine.visualization import LocalVisBackend
from mmpose.registry import VISBACKENDS


def tolerant(write: Callable[..., None]) -> Callable[..., None]:
    """Decorate a method of a backend to log a warning if the file system refuses a file."""

    @wraps(write)
    def try_to_write(self: LocalVisBackend, *args: Any, **kwargs: Any) -> None:
        try:
            write(self, *args, **kwargs)
        except OSError as error:
            print_log(f'{write.__name__} of {self._save_dir}: {error}', logger='current', level=logging.WARNING)

    return try_to_write


@VISBACKENDS.register_module()
class TolerantVisBackend(LocalVisBackend):
    """MMEngine's `LocalVisBackend`; a file that cannot be written logs a warning instead of ending the run."""

    add_image, add_scalar, add_scalars = map(
        tolerant, (LocalVisBackend.add_image, LocalVisBackend.add_scalar, LocalVisBackend.add_scalars)
    )
