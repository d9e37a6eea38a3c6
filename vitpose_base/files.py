"""Atomic writes, where readers see the old file or the complete new one; and hashes of files."""

import glob
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

PART = '.part'  # what the name of a temporary file ends with


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary file next to `path` and rename it to `path` when the block succeeds.

    Missing folders are created. When the block raises, the temporary file is deleted and `path` is unchanged.

    Args:
        path: the file to write.
        durable: wait until the content and then the new name are on the disk (fsync).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + PART)
    temporary.touch()
    mode = temporary.stat().st_mode  # as the umask says; safetensors makes files that only their owner can read
    try:
        yield temporary
        temporary.chmod(mode)
        if durable:
            _sync(temporary)
        os.replace(temporary, path)
        if durable:
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Create a folder if necessary. OSError, which names it, if nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as problem:
        raise type(problem)(f'{folder}: cannot write into this folder: {problem.strerror}') from problem


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def sha256(path: Path) -> str:
    """Return the hash of a file, of an index of shards with its shards, or of all files of a folder; sorted by name."""
    digest, files = hashlib.sha256(), sorted(path.iterdir()) if path.is_dir() else [path]
    if path.name.endswith('.index.json') and path.is_file():
        stem, suffix = os.path.splitext(path.name.removesuffix('.index.json'))
        files += sorted(path.parent.glob(f'{glob.escape(stem)}-*-of-*{glob.escape(suffix)}'))
    for file in files:
        if file.is_file():
            with file.open('rb') as opened:
                while chunk := opened.read(1 << 20):
                    digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
