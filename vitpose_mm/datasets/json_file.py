"""Is this file whole JSON? Asked so that the answer can name the file and the position."""

import json

from mmengine.fileio import get_local_path


def check_json_begins(path: str) -> None:
    """Refuse a file that is empty or does not begin like a JSON object or list."""
    with get_local_path(path) as local_path, open(local_path, 'rb') as file:
        start = file.read(4096).lstrip()
    if not start:
        raise ValueError(f'{path} is empty: expected JSON annotations. Fetch the file again.')
    if start[:1] not in (b'{', b'['):
        raise ValueError(
            f'{path} is no JSON: at position 0 it begins with {start[:20]!r}, expected '
            f"'{{' or '['. Is it the annotation file?"
        )


def check_json_whole(path: str) -> None:
    """Refuse a file whose JSON ends early or is broken, naming the position."""
    with get_local_path(path) as local_path, open(local_path, 'rb') as file:
        data = file.read()
    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path} is truncated or broken JSON: {error.msg} at line {error.lineno}, column '
            f'{error.colno}, position {error.pos} of {len(data)} bytes. Fetch the file again.'
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is no text: byte {error.start} of {len(data)} is not {error.encoding}. Fetch the file again.'
        ) from error
