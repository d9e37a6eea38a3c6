"""Atomic writes: readers see the old file or the complete new one."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
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


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def missing_checkpoint(path: Path, config: str, option: str) -> str:
    """Return the error message for a missing checkpoint: the command that writes it, and the files found instead.

    Args:
        path: the expected checkpoint.
        config: config file whose training writes it.
        option: the command-line option that selects another checkpoint, with {} for the file: '--checkpoint {}'.
    """
    message = f'{path}: no such checkpoint. `mim train mmpose {config}` writes it'
    numbered = {
        int(match.group(1)): file.name
        for file in path.parent.glob('*.pth')
        if (match := re.fullmatch(r'(?:epoch|iter)_(\d+)', file.stem))
    }
    if not numbered:
        return f'{message}; {path.parent} has no epoch_*.pth'
    names = [numbered[number] for number in sorted(numbered)]
    last = option.format(path.parent / names[-1])
    return f'{message}; {path.parent} has {", ".join(names)}. To use the last one: {last}'
