"""Check JSON files; errors name the file and the position."""

import json

from mmengine.fileio import get_local_path


def check_json_start(path: str) -> None:
    """Raise a ValueError if a file is empty or does not start like a JSON object or list."""
    with get_local_path(path) as local_path, open(local_path, 'rb') as file:
        start = file.read(4096).lstrip()
    if not start:
        raise ValueError(f'{path} is empty: expected JSON annotations. Download the file again.')
    if start[:1] not in (b'{', b'['):
        raise ValueError(
            f"{path} is not JSON: it starts with {start[:20]!r}, expected '{{' or '['. Is it the annotation file?"
        )


def check_json_object(path: str) -> None:
    """Raise a ValueError if a JSON file does not start like an object."""
    with get_local_path(path) as local_path, open(local_path, 'rb') as file:
        start = file.read(4096).lstrip()
    if start[:1] != b'{':
        raise ValueError(f'{path}: expected a JSON object with images and annotations, got a list')


def check_json_syntax(path: str) -> None:
    """Raise a ValueError that names the position if a file is not valid JSON."""
    with get_local_path(path) as local_path, open(local_path, 'rb') as file:
        data = file.read()
    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path} is truncated or invalid JSON: {error.msg} at line {error.lineno}, column {error.colno}, '
            f'position {error.pos} of {len(data)} bytes. Download the file again.'
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is not text: byte {error.start} of {len(data)} is not {error.encoding}. Download the file again.'
        ) from error
