"""Read JSON files; errors name the file and the position."""

import json
from typing import Any

from mmengine.fileio import get


def read_json(path: str) -> Any:
    """Read an object or list; a ValueError says why a file has none, and where."""
    data = get(path)
    start = data.lstrip()[:20]
    if not start:
        raise ValueError(f'{path} is empty: expected JSON annotations. Download the file again.')
    if start[:1] not in (b'{', b'['):
        raise ValueError(
            f"{path} is not JSON: it starts with {start!r}, expected '{{' or '['. Is it the annotation file?"
        )
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path} is truncated or invalid JSON: {error.msg} at line {error.lineno}, column {error.colno}, '
            f'position {error.pos} of {len(data)} bytes. Download the file again.'
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is not text: byte {error.start} of {len(data)} is not {error.encoding}. Download the file again.'
        ) from error
