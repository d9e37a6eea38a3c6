"""Which content of untrusted files can be recorded as JSON."""

import json
from itertools import islice


def is_plain(content: object, most: int = 100_000) -> bool:
    """Answer whether this is JSON data, of at most `most` tokens: a file may hold lists that contain themselves."""
    try:
        return sum(1 for _ in islice(json.JSONEncoder().iterencode(content), most + 1)) <= most
    except Exception:  # a file can also give a dict attributes that hide its methods
        return False
