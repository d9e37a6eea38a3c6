"""Download a published checkpoint and check its hash."""

import re
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from vitpose_base.files import sha256

from ..errors import FailedError
from .catalogue import Published

_IN_NAME = re.compile(r'-([0-9a-f]{8,64})_\d{8}\.pth')  # of OpenMMLab: the first digits of SHA-256
_POINTER = re.compile(rb'oid sha256:([0-9a-f]{64})')  # of Git LFS
PAGES = ('1drv.ms', 'onedrive.live.com', 'drive.google.com')  # where a browser is needed
TIMEOUT = 30  # seconds without an answer


class DownloadError(FailedError):
    """Why a file could not be had, and what to do, in one line."""


def download(model: Published, folder: Path) -> tuple[Path, str]:
    """Download a checkpoint with a progress bar; a file that is there already is only checked.

    Args:
        model: what to download.
        folder: where to write it, under the publisher's file name.

    Returns:
        The file, and the first digits or all of the SHA-256 that it was checked against; '' if none is published.

    Raises:
        DownloadError: it is behind a page for browsers, the server cannot be reached, or the hash is another one.
        OSError: the file cannot be written.
    """
    from torch.hub import download_url_to_file

    if urlsplit(model.url).hostname in PAGES:
        raise DownloadError(
            f'{model.name} is behind a page for browsers: open {model.url}, save the file, and see '
            '`vitpose inspect FILE`'
        )
    file = folder / file_name(model)
    usual = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        digest = published_hash(model.url)
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            download_url_to_file(model.url, str(file), digest)
        elif digest and not sha256(file).startswith(digest):
            raise DownloadError(f'{file} is there already, and its SHA-256 does not begin with {digest}: remove it')
    except (urllib.error.URLError, TimeoutError, ConnectionError) as problem:
        reason = problem if isinstance(problem, urllib.error.HTTPError) else getattr(problem, 'reason', problem)
        raise DownloadError(
            f'{urlsplit(model.url).hostname} cannot be reached ({reason}). Without network, download {model.url} '
            f'elsewhere and copy it to {file}'
        ) from problem
    except RuntimeError as problem:  # torch's wrong hash; it has removed the file
        raise DownloadError(f'{model.url}: the file was damaged on its way ({problem}); try again') from problem
    finally:
        socket.setdefaulttimeout(usual)
    return file, digest or ''


def file_name(model: Published) -> str:
    """Name of the local file: the publisher's, preceded by the model's name if it says nothing by itself."""
    name = unquote(Path(urlsplit(model.url).path).name)
    return f'{model.name.rpartition("/")[2]}.safetensors' if name == 'model.safetensors' else name


def published_hash(url: str) -> str | None:
    """Return the SHA-256 of a file, or its first digits, as its publisher states it; None if there is none.

    OpenMMLab writes it into the file's name. A model hub with Git LFS has it in the file's pointer, under `raw` instead
    of `resolve`.

    Raises:
        URLError: the pointer cannot be read.
        DownloadError: it is no pointer.
    """
    found = _IN_NAME.search(url)
    if found:
        return found[1]
    if '/resolve/' not in url:
        return None
    pointer = url.replace('/resolve/', '/raw/', 1)
    with urllib.request.urlopen(pointer) as answer:
        text = answer.read(1024)
    oid = _POINTER.search(text)
    if oid is None:
        raise DownloadError(f'{pointer}: expected a Git LFS pointer with the SHA-256 of the file')
    return oid[1].decode()
