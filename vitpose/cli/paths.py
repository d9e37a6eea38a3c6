"""Refuse paths before torch is imported, which takes seconds."""

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError, MissingFileError

SHOWN = 5  # names of other files in a message


def check_readable(path: str | Path | None, noun: str = 'file', folder: bool = False, option: str = '') -> None:
    """Refuse a path that is not there or cannot be read; None passes.

    Args:
        path: of a file.
        noun: what the file is, for the message.
        folder: whether it may be a folder, too.
        option: with which it was given, for the message.

    Raises:
        OSError: it does not exist, or cannot be read, or is a folder.
    """
    if path is None:
        return
    path = Path(path)
    shown = f'{option} {path}'.lstrip()
    if not path.exists():
        near = sorted(file.name for file in path.parent.glob(f'*{path.suffix}') if path.suffix and file.is_file())
        others = f'; {path.parent} has {", ".join(near[:SHOWN])}{", ..." * (len(near) > SHOWN)}' if near else ''
        raise MissingFileError(f'{shown}: no such {noun}{others}')
    if path.is_dir() and not folder:
        raise IsADirectoryError(f'{shown} is a folder: expected a {noun}')
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise PermissionError(f'{shown}: no permission to read this {noun}')


def check_detector(words: Sequence[str] | None, before: str) -> None:
    """Refuse the words of --detector: more than two, or files that cannot be read; `before`: what precedes it."""
    if words and len(words) > 2:
        raise InputError(f'--detector {" ".join(words)}: expected one or two words; put {before} before it')
    for word, noun in zip(words or (), ('detector', 'checkpoint of a detector'), strict=False):
        if noun != 'detector' or Path(word).suffix in ('.py', '.json', '.yml', '.yaml', '.onnx'):
            check_readable(word, noun, option='--detector')
