"""Log to MMEngine's current logger where MMEngine is imported, or else to Python's."""

import logging
import sys
from functools import lru_cache


def log(message: str, level: int = logging.INFO) -> None:
    """Log a line; both loggers show the same warning only once."""
    mmengine = sys.modules.get('mmengine.logging')
    if mmengine is not None:
        mmengine.print_log(message, logger='current', level=level)
    else:
        _log_once(message, level)


@lru_cache(maxsize=256)
def _log_once(message: str, level: int) -> None:
    logging.getLogger('vitpose_mm').log(level, message)
