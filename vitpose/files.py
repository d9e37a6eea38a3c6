"""Files of the tool, which also works where the plugin's `vitpose_mm.files` cannot be imported."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file next to `path` and rename it to `path` when the block succeeds.

    Missing folders are created. When the block raises, the temporary file is deleted and `path` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.part')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def is_plain(content: object, most: int = 100_000) -> bool:
    """Whether something is JSON data, of at most `most` tokens: a file may hold lists that contain themselves."""
    try:
        return sum(1 for _ in islice(json.JSONEncoder().iterencode(content), most + 1)) <= most
    except Exception:  # a file can also give a dict attributes that hide its methods
        return False
