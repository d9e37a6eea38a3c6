"""Files written whole or not at all."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file's stand-in, which takes its place if all that was done to it went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically: under another name, then renamed."""
    with replacing(path) as part:
        part.write_text(text, encoding='utf-8')


def missing_checkpoint(path: Path, config: str, option: str) -> str:
    """What to say of a checkpoint that is not there: which command writes it, and what is in its place.

    Args:
        path: where it was expected.
        config: file that it is trained with.
        option: how to name another, with {} in its place, such as '--checkpoint {}'.
    """
    message = f'{path}: no such checkpoint. `mim train mmpose {config}` writes it'
    numbered = {
        int(found.group(1)): file.name
        for file in path.parent.glob('*.pth')
        if (found := re.fullmatch(r'(?:epoch|iter)_(\d+)', file.stem))
    }
    if not numbered:
        return f'{message}; {path.parent} has no epoch_*.pth'
    there = [numbered[number] for number in sorted(numbered)]
    last = option.format(path.parent / there[-1])
    return f'{message}; {path.parent} has {", ".join(there)}. To use the last one: {last}'
