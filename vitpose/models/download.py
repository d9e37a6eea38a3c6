"""Download a published checkpoint and check its hash."""

import re
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from vitpose_base.files import sha256

from ..errors import FailedError
from .catalogue import PublishedModel

_IN_NAME = re.compile(r'-([0-9a-f]{8,64})_\d{8}\.pth')  # of OpenMMLab: the first digits of SHA-256
_POINTER = re.compile(rb'oid sha256:([0-9a-f]{64})')  # of Git LFS
BROWSER_HOSTS = ('1drv.ms', 'onedrive.live.com', 'drive.google.com')  # these require a browser
TIMEOUT_S = 30  # without an answer


class DownloadError(FailedError):
    """A file requires a browser, the server cannot be reached, or the hash differs; the message says what to do."""


def download(model: PublishedModel, folder: Path) -> tuple[Path, str]:
    """Download a checkpoint into a folder, with a progress bar; a file that already exists is only checked.

    Returns the file, and the SHA-256 that it was checked against, or its first digits; '' if none is published.
    """
    from torch.hub import download_url_to_file

    url, host = model.url, urlsplit(model.url).hostname
    if host in BROWSER_HOSTS:
        what = f'{model.name} requires a browser to download'
        raise DownloadError(f'{what}: open {url}, save the file, and run `vitpose inspect FILE`')
    name = unquote(Path(urlsplit(url).path).name)
    # the hub's file name says nothing by itself
    file = folder / (f'{model.name.rpartition("/")[2]}.safetensors' if name == 'model.safetensors' else name)
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        digest = _read_published_hash(url)
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            download_url_to_file(url, str(file), digest)
        elif not sha256(file).startswith(digest):
            raise DownloadError(f'{file} already exists, but its SHA-256 does not begin with {digest}: remove it')
    except (urllib.error.URLError, TimeoutError, ConnectionError) as problem:
        reason = problem if isinstance(problem, urllib.error.HTTPError) else getattr(problem, 'reason', problem)
        what = f'{host} cannot be reached ({reason}). Without network access, download'
        raise DownloadError(f'{what} {url} elsewhere and copy it to {file}') from problem
    except RuntimeError as problem:  # torch found a different hash and removed the file
        raise DownloadError(f'{url}: the file was corrupted during download ({problem}); try again') from problem
    finally:
        socket.setdefaulttimeout(previous)
    return file, digest


def _read_published_hash(url: str) -> str:
    """Return the SHA-256 that the publisher states, or its first digits; '' if there is none.

    OpenMMLab writes it into the file's name; a model hub has it in the Git LFS pointer, under `raw` in the URL.
    """
    in_name = _IN_NAME.search(url)
    if in_name or '/resolve/' not in url:
        return in_name[1] if in_name else ''
    pointer = url.replace('/resolve/', '/raw/', 1)
    with urllib.request.urlopen(pointer) as answer:
        oid = _POINTER.search(answer.read(1024))
    if oid is None:
        raise DownloadError(f'{pointer}: expected a Git LFS pointer with the SHA-256 of the file')
    return oid[1].decode()
