"""Images, videos and streams by their addresses."""

import re
import time
from pathlib import PurePosixPath
from typing import Any
from urllib import request
from urllib.parse import unquote, urlsplit, urlunsplit

from ...errors import InputError, one_line
from ...models.download import open_url

MAX_MIB, MAX_S = 64, 60  # of an image
TIMEOUT_S = 10  # without an answer
SCHEMES = ('http', 'https', 'rtsp', 'rtsps', 'rtmp', 'rtmps', 'rtp', 'srt', 'udp')
_URL = re.compile(r'([a-z][a-z0-9+.-]+)://|(data):', re.IGNORECASE)


def scheme_of(text: str) -> str:
    """Return the scheme of a URL, such as 'https', and '' for a path. ValueError if it is not one of `SCHEMES`."""
    match = _URL.match(text)
    scheme = (match[1] or match[2]).lower() if match else ''
    if match and scheme not in SCHEMES:
        expected = f'expected a path, or a URL that starts with {", ".join(SCHEMES)}'
        raise InputError(f'{hide_password(text)[:80]}: {expected}')
    return scheme


def hide_password(url: str) -> str:
    """Return the URL, with `***` for a password in it."""
    return re.sub(r'(?<=://)([^/@:]*):[^/?#]*@', r'\1:***@', url)


def find_url_kind(url: str, images: frozenset[str]) -> str:
    """Tell 'image', 'video' (a file with an end) or 'live' by the scheme, a suffix in `images`, or the server's header.

    ValueError if the server cannot be reached, or sends something else; or for an image or a video with a password,
    which results would have to name.
    """
    if not scheme_of(url).startswith('http'):
        return 'live'
    kind, suffix = 'image', PurePosixPath(urlsplit(url).path).suffix.lower()
    if suffix not in images:
        with _open(url) as answer:
            content, length = answer.headers.get_content_type(), answer.headers.get('Content-Length')
        if content.startswith('text/') or content.endswith(('json', 'html')):
            expected = 'expected an image, a video or a stream; the server sends'
            raise InputError(f'{hide_password(url)}: {expected} {content}')
        is_live = not length or 'mpegurl' in content or suffix == '.m3u8'
        kind = 'image' if content.startswith('image/') else 'live' if is_live else 'video'
    if kind != 'live' and (shown := hide_password(url)) != url:
        raise InputError(f'{shown}: passwords are only for streams: download the {kind}, and pass the file')
    return kind


def read_url(url: str) -> bytes:
    """Download an image. ValueError or OSError if that fails, or takes more than `MAX_S` seconds or `MAX_MIB`."""
    end, data = time.monotonic() + MAX_S, bytearray()
    with _open(url) as answer:
        while part := answer.read1(1 << 20):
            data += part
            if len(data) > MAX_MIB << 20 or time.monotonic() > end:
                raise InputError(f'{url}: more than {MAX_MIB} MiB or {MAX_S} seconds: download it, and pass the file')
    return bytes(data)


def _open(url: str) -> Any:
    try:
        parts = urlsplit(url)
        if parts.username is None:
            return open_url(url, TIMEOUT_S)
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition('@')[2]))  # urllib takes no user in it
        login = request.HTTPPasswordMgrWithDefaultRealm()
        login.add_password(None, bare, unquote(parts.username), unquote(parts.password or ''))
        handlers = request.HTTPBasicAuthHandler(login), request.HTTPDigestAuthHandler(login)
        return request.build_opener(*handlers).open(bare, timeout=TIMEOUT_S)
    except Exception as problem:  # OSError, HTTPException or ValueError
        raise InputError(f'{hide_password(url)}: cannot be opened: {one_line(problem)}') from problem
