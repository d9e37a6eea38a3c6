"""Download files into the cache: resumed, checked against their hash, and complete once they have their name."""

import glob
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from uuid import uuid4

from vitpose_base.files import PART, sha256, write_text

from ..errors import FailedError, warn
from .catalogue import PublishedModel

_IN_NAME = re.compile(r'-([0-9a-f]{8,64})_\d{8}\.pth')  # of OpenMMLab: the first digits of SHA-256
_POINTER = re.compile(rb'oid sha256:([0-9a-f]{64})')  # of Git LFS
BROWSER_HOSTS = ('1drv.ms', 'onedrive.live.com', 'drive.google.com')  # these require a browser
TIMEOUT_S = 30  # without an answer
REACH_S = 1.5  # to find out whether there is a network, where a download is optional
NO_WEIGHTS = {b'version https://git-lfs': 'a Git LFS pointer', b'<!doctype': 'a web page', b'<html': 'a web page'}
ABANDONED_S = 2 * TIMEOUT_S  # after which a part that nobody writes belongs to a process that was killed


class DownloadError(FailedError):
    """A file requires a browser, the server cannot be reached, or the hash differs; the message says what to do."""


def cache_folder() -> Path:
    """Return $VITPOSE_HOME, or `vitpose` in the user's folder for caches."""
    if home := os.environ.get('VITPOSE_HOME'):
        return Path(home).expanduser()
    if sys.platform == 'win32':
        return Path(os.environ.get('LOCALAPPDATA') or Path.home() / 'AppData/Local') / 'vitpose'
    default = Path.home() / ('Library/Caches' if sys.platform == 'darwin' else '.cache')
    return Path(os.environ.get('XDG_CACHE_HOME') or default) / 'vitpose'


def download(model: PublishedModel, folder: Path | None = None) -> tuple[Path, str]:
    """Download a checkpoint into a folder, by default the cache; a file that already exists is only checked.

    Returns the file, and the SHA-256 that it was checked against, or its first digits; '' if none is published.
    """
    url, folder = model.url, folder or cache_folder()
    name = unquote(Path(urlsplit(url).path).name)
    is_for_browsers = urlsplit(url).hostname in BROWSER_HOSTS
    if name == 'model.safetensors' or is_for_browsers:  # the name of the file says nothing by itself
        name = model.name.rpartition('/')[2] + (Path(name).suffix or '.pth')
    file = folder / name
    if is_for_browsers and not file.exists():
        remedy = f'open {url}, save the file as {file}, and try again'
        raise DownloadError(f'{model.name} requires a browser to download: {remedy}')
    existed = file.exists()
    digest = _find_digest(url, file)
    fetch(url, file, digest)
    if not existed:
        warn(f'{model.name}: {model.license}')
        with suppress(OSError):  # of another process that writes the same
            if '/resolve/' in url:
                write_text(file.with_name(f'{file.name}.sha256'), digest)
    return file, digest


def fetch(url: str, file: Path, digest: str = '', timeout: float = TIMEOUT_S) -> Path:
    """Download a file with a progress bar, or check the one that exists.

    What a broken download has received stays beside the file, and the next one continues there. Each process writes a
    part of its own, and the last one to finish replaces the others' equal file. `digest` has the first digits of the
    file's SHA-256, or all; '' checks nothing. `timeout` is in seconds without an answer. DownloadError if the file has
    another hash, cannot be downloaded or cannot be written.
    """
    if file.exists():
        if digest and not sha256(file).startswith(digest):
            raise DownloadError(f'{file} already exists, but its SHA-256 does not begin with {digest}: remove it')
        return file
    elsewhere = f'download {url} elsewhere and copy it to {file}'
    if os.environ.get('VITPOSE_OFFLINE'):
        raise DownloadError(f'{file} is missing and VITPOSE_OFFLINE is set: unset it, or {elsewhere}')
    part = file.with_name(f'{file.name}.{uuid4().hex[:8]}{PART}')
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _claim(file, part)
        part.touch()
    except OSError as problem:
        remedy = f'set VITPOSE_HOME to a folder that can, or {elsewhere}'
        raise DownloadError(f'{file.parent} cannot be written ({problem.strerror}): {remedy}') from problem
    try:
        _receive(url, part, timeout)
        with part.open('rb') as opened:
            start = opened.read(64).lstrip().lower()
        kind = next((kind for mark, kind in NO_WEIGHTS.items() if start.startswith(mark)), '')
        if kind or (digest and not sha256(part).startswith(digest)):
            part.unlink()
            found = f'the server sent {kind}' if kind else f'its SHA-256 does not begin with {digest}'
            raise DownloadError(f'{url}: the file was corrupted during download ({found}); try again, or {elsewhere}')
        os.replace(part, file)
    except (OSError, HTTPException) as problem:
        reason = getattr(problem, 'reason', problem) if type(problem) is urllib.error.URLError else problem
        raise DownloadError(f'{url} cannot be downloaded ({reason}): try again, or {elsewhere}') from problem
    finally:
        with suppress(OSError):
            if part.stat().st_size:
                os.replace(part, file.with_name(file.name + PART))  # free for the next one
            else:
                part.unlink()
    return file


def is_reachable(url: str) -> bool:
    """Answer whether the server of an address responds within `REACH_S`, even if the resolution of its name hangs."""
    answers: list[bool] = []

    def ask() -> None:
        with suppress(OSError, HTTPException):
            with suppress(urllib.error.HTTPError):  # also an answer
                open_url(urljoin(url, '/'), REACH_S, method='HEAD').close()
            answers.append(True)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACH_S)
    return bool(answers)


def _claim(file: Path, part: Path) -> None:
    """Take over the part of a download that ended; renaming it succeeds in only one process."""
    for old in file.parent.glob(f'{glob.escape(file.name)}*{PART}'):
        with suppress(OSError):
            if old.name == file.name + PART or time.time() - old.stat().st_mtime > ABANDONED_S:
                os.replace(old, part)
                return


def _receive(url: str, part: Path, timeout: float) -> None:
    """Append what a part lacks; a server that cannot continue sends everything."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    start = part.stat().st_size
    headers = {'Range': f'bytes={start}-'} if start else {}
    columns = '{task.description}', BarColumn(), DownloadColumn(), TransferSpeedColumn()
    try:
        with (
            open_url(url, timeout, headers) as answer,
            part.open('ab') as out,
            Progress(*columns, console=Console(stderr=True)) as bar,
        ):
            if answer.status != 206 or not answer.headers.get('Content-Range', '').startswith(f'bytes {start}-'):
                start = out.seek(0)
                out.truncate()
            total = start + int(answer.headers.get('Content-Length') or 0)
            task = bar.add_task(unquote(Path(urlsplit(url).path).name), total=total or None, completed=start)
            while chunk := answer.read1(1 << 20):
                out.write(chunk)
                bar.update(task, advance=len(chunk))
            if out.tell() < total:
                raise ConnectionError(f'the connection ended after {out.tell():,} of {total:,} bytes')
    except urllib.error.HTTPError as problem:
        if problem.code != 416 or not start:
            raise
        part.write_bytes(b'')  # it has all bytes, or those of another file
        _receive(url, part, timeout)


def open_url(url: str, timeout: float, headers: Mapping[str, str] | None = None, method: str = 'GET') -> Any:
    """Open an address; `timeout` is in seconds without an answer. The exceptions are urllib's."""
    request = urllib.request.Request(url, headers={'User-Agent': 'vitpose', **(headers or {})}, method=method)
    return urllib.request.urlopen(request, timeout=timeout)


def _find_digest(url: str, file: Path) -> str:
    """Return the SHA-256 that the publisher states, or its first digits; '' if there is none.

    OpenMMLab writes it into the file's name; a model hub has it in the Git LFS pointer, under `raw` in the URL. It is
    kept beside the file; without the file it is read again, because the hub may have a newer file.
    """
    in_name, kept = _IN_NAME.search(url), file.with_name(f'{file.name}.sha256')
    if in_name or '/resolve/' not in url:
        return in_name[1] if in_name else ''
    if file.exists() and kept.is_file():
        return kept.read_text('utf-8').strip()
    pointer = url.replace('/resolve/', '/raw/', 1)
    try:
        if os.environ.get('VITPOSE_OFFLINE'):
            raise ConnectionError('VITPOSE_OFFLINE is set')
        with open_url(pointer, TIMEOUT_S) as answer:
            oid = _POINTER.search(answer.read(1024))
    except (OSError, HTTPException) as problem:
        if file.exists():
            warn(f'{file} is used unchecked: its hash cannot be read from {pointer} ({problem})')
            return ''
        elsewhere = f'download {url} elsewhere and copy it to {file}'
        raise DownloadError(f'{url} cannot be downloaded ({problem}): try again, or {elsewhere}') from problem
    if oid is None:
        raise DownloadError(f'{pointer}: expected a Git LFS pointer with the SHA-256 of the file')
    return oid[1].decode()
