"""Checkpoints that are complete or absent: writing them, checking them, finding the newest one."""

import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..files import PART, replacing
from .safe_load import load_checkpoint

CHUNK = 1 << 26  # bytes per call of os.write
POINTER = 'last_checkpoint'  # MMEngine's file with the path of the newest checkpoint


class Found(NamedTuple):
    """The newest complete checkpoint of a folder, or None, and what is wrong with each newer one."""

    path: Path | None
    skipped: list[str]


def write_checkpoint(path: Path, data: bytes) -> None:
    """Write a file of torch.save so that `path` is the old file or the complete new one, also after a power cut.

    The temporary file is read back and its checksums are compared before it takes the place of `path`.

    Raises:
        OSError: the file could not be written, such as on a full disk; `path` is unchanged.
    """
    with replacing(path, durable=True) as part:
        _write(part, data)
        problem = fault(part)
        if problem:
            raise OSError(f'{path} was not written: the file read back {problem}')


def write_pointer(folder: Path, target: str) -> None:
    """Write `last_checkpoint`, from which MMEngine and its tools read the path of the newest checkpoint."""
    with replacing(folder / POINTER, durable=True) as part:
        _write(part, target.encode())


def fault(path: Path) -> str | None:
    """Return what is wrong with a file of torch.save, None if it is complete.

    torch.save writes a zip archive with a CRC-32 of each tensor; all of them are compared.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, RuntimeError) as problem:
        size = path.stat().st_size if path.exists() else 0
        return f'is incomplete: {size} bytes, {problem}'
    return f'is damaged: the checksum of {damaged} differs' if damaged else None


def newest_complete(folders: Sequence[Path], templates: Sequence[str]) -> Found:
    """Find the complete checkpoint with the highest iteration.

    Args:
        folders: where to look, not below.
        templates: names with one {} for an integer, such as 'epoch_{}.pth'.
    """
    names = re.compile('|'.join(re.escape(template).replace(r'\{\}', r'\d+') for template in templates))
    paths = {
        path.resolve(): path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if names.fullmatch(path.name) and path.is_file()
    }
    skipped: list[str] = []
    for path in sorted(paths.values(), key=_age, reverse=True):
        problem = fault(path)
        if problem is None:
            return Found(path, skipped)
        skipped.append(f'{path} {problem}')
    return Found(None, skipped)


def remove_parts(folder: Path) -> None:
    """Delete temporary files of checkpoints whose writing was interrupted."""
    for path in folder.glob(f'*.pth{PART}'):
        path.unlink(missing_ok=True)


def _age(path: Path) -> tuple[int, int]:
    """Iteration, or for an unreadable file the highest, so that it is reported; then the time of writing."""
    try:
        found = load_checkpoint(path).meta.get('iter')
    except (OSError, ValueError):
        found = None
    return (found if type(found) is int else 1 << 62), path.stat().st_mtime_ns


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view[:CHUNK]) :]
    finally:
        os.close(file)
