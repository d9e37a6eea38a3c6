"""Images, videos and streams by their addresses."""

import re
import time
from http.client import HTTPResponse
from pathlib import PurePosixPath
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ...errors import InputError, one_line

MAX_MIB = 64  # of an image
TIMEOUT_S = 10  # without an answer
MAX_S = 60  # for a whole image
STREAMS = ('rtsp', 'rtsps', 'rtmp', 'rtmps', 'rtp', 'srt', 'udp')
_URL = re.compile(r'([a-z][a-z0-9+.-]+)://|(data):', re.IGNORECASE)


def scheme_of(text: str) -> str:
    """Return the scheme of a URL, such as 'https', and '' for a path; ValueError if it is not one of ours."""
    if not (match := _URL.match(text)):
        return ''
    scheme = (match[1] or match[2]).lower()
    if scheme not in ('http', 'https', *STREAMS):
        expected = f'expected a path, or a URL that starts with {", ".join(("http", "https", *STREAMS))}'
        raise InputError(f'{hide_password(text)[:80]}: {expected}')
    return scheme


def hide_password(url: str) -> str:
    """The URL, with `***` for a password in it."""
    return re.sub(r'(?<=://)([^/@:]*):[^/@]*@', r'\1:***@', url)


def find_url_kind(url: str, images: frozenset[str]) -> str:
    """Tell 'image', 'video' (a file with an end) or 'live' by the scheme, a suffix in `images`, or the server's header.

    ValueError if the server cannot be reached, or sends something else.
    """
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    if not scheme_of(url).startswith('http'):
        return 'live'
    if suffix in images:
        return 'image'
    with _open(url) as answer:
        kind = answer.headers.get_content_type()
        has_end = answer.headers.get('Content-Length') and 'mpegurl' not in kind and suffix != '.m3u8'
    if kind.startswith('text/') or kind.endswith(('json', 'html')):
        raise InputError(f'{hide_password(url)}: expected an image, a video or a stream; the server sends {kind}')
    return 'image' if kind.startswith('image/') else 'video' if has_end else 'live'


def read_url(url: str) -> bytes:
    """Download an image; OSError or ValueError if that fails, or takes more than `MAX_S` seconds or `MAX_MIB`."""
    end, data = time.monotonic() + MAX_S, bytearray()
    with _open(url) as answer:
        while part := answer.read1(1 << 20):
            data += part
            if len(data) > MAX_MIB << 20 or time.monotonic() > end:
                raise InputError(f'{url}: more than {MAX_MIB} MiB or {MAX_S} seconds: download it, and pass the file')
    return bytes(data)


def _open(url: str) -> HTTPResponse:
    try:
        return urlopen(Request(url, headers={'User-Agent': 'vitpose'}), timeout=TIMEOUT_S)
    except Exception as problem:  # OSError, HTTPException or ValueError
        reason = problem if isinstance(problem, HTTPError) else getattr(problem, 'reason', problem)
        raise InputError(f'{hide_password(url)}: cannot be opened: {one_line(reason)}') from problem
