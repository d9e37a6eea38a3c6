"""Which stacks there are, and the exact versions of each, by section of its files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Stack(NamedTuple):
    """Where a stack goes, the files that pin it, the Pythons it wants (best first)."""

    venv: str
    files: tuple[str, ...]
    pythons: tuple[str, ...]


STACKS = {
    'tested': Stack('.venv', ('tested.txt', 'peers.txt'), ('3.11', '3.12', '3.10')),
    'legacy': Stack('.venv-legacy', ('legacy.txt',), ('3.10', '3.11')),
}


def read_sections(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Read requirement files into ``{section: [pin, ...]}``; a section opens with ``# [name]``.

    Raises:
        ValueError: A requirement is not exact, or stands before the first section.
    """
    sections: dict[str, list[str]] = {}
    for path in paths:
        name = None
        for line in path.read_text().splitlines():
            header = re.match(r'# \[(\w+)\]', line)
            if header:
                name = header.group(1)
            elif line and not line.startswith('#'):
                if name is None or not re.match(r'[\w.-]+==[\w.+]+( *;.*)?$', line):
                    raise ValueError(f'{path.name}: {line!r} is not `name==version` below a `# [section]` line')
                sections.setdefault(name, []).append(line)
    return sections
