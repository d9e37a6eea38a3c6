"""What to predict on: images, videos, folders, globs, lists, cameras and URLs, as one stream of frames."""

import codecs
import glob
import os
import re
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from vitpose_base.file_names import list_files
from vitpose_base.image_files import open_image

from ...errors import InputError, MissingFileError, warn
from ..optional_imports import import_optional
from ..poses import Frame
from .live import read_live
from .urls import find_url_kind, hide_password, scheme_of
from .video import count_video_frames, is_video, read_video

# files with these suffixes are taken without opening them, and broken ones are named; others if a library opens them
IMAGES = frozenset(('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'))
VIDEOS = frozenset(
    '.3g2 .3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv'.split()
)
HEIC = frozenset(('.heic', '.heif'))
MAX_DIGITS = 9  # of a camera's index, which OpenCV takes as a C int
EXPECTED = f'an image ({" ".join(sorted(IMAGES))}) or a video ({" ".join(sorted(VIDEOS))})'


@dataclass(frozen=True)
class Source:
    """An image, a video, or a camera or stream."""

    name: str  # path or URL as given, without password, or path as found below a given folder; 'camera 0' for a camera
    kind: str  # 'image', 'video' or 'live'
    address: str = ''  # URL of a stream, with its password


def find_sources(inputs: Sequence[str], leave_out: Path | None = None) -> list[Source]:
    """Find the images and videos that the inputs name, in their order, each once.

    Inputs are files, folders, globs, URLs, camera indices such as '0', unless a file has that name, and .txt files with
    one of these per line. Folders are searched with all folders below, without hidden files, links to folders, what
    `vitpose predict` drew, and the output folder `leave_out`. Folders and globs are in natural order: 2.jpg comes
    before 10.jpg. Their files that neither suffix nor Pillow nor PyAV call an image or a video are left out, and
    counted by suffix in a warning. FileNotFoundError if nothing has the name; ValueError if an input is or has neither
    image nor video, or there is no such camera or URL.
    """
    sources: dict[str, Source] = {}
    ignored: dict[str, str] = {}  # suffixes of files that are left out, by path
    for line in (line for text in inputs for line in _lines(text)):
        for source in _find(line, leave_out and Path(os.path.abspath(leave_out)), ignored):
            sources.setdefault(source.address or os.path.abspath(source.name), source)
    if ignored:
        named = ', '.join(f'{number:,} {suffix}' for suffix, number in Counter(ignored.values()).most_common())
        warn(f'left out as neither image nor video: {named}')
    return list(sources.values())


def natural_key(path: str | PurePath) -> tuple:
    """Return a key that sorts paths by folder, and numbers in names by value: frame_2.jpg before frame_10.jpg."""
    parts = [re.split(r'(\d+)', part) for part in PurePath(path).parts]
    return [[int(t) if i % 2 else t for i, t in enumerate(part)] for part in parts], str(path)


def read_frames(
    sources: Sequence[Source], left_out: dict[str, str] | None = None, part: dict[str, Any] | None = None, **live: Any
) -> Generator[Frame, None, None]:
    """Yield frames of the sources, one after the other; image files are left for `PosePredictor.stream` to read.

    A video or stream that cannot be read is a `Frame` with `error`, and so is a source in `left_out`, with its text.
    `part` has options of `read_video`, and `live` those of `read_live`.
    """
    for source in sources:
        if left_out and source.name in left_out:
            yield Frame(source.name, None, error=left_out[source.name])
        elif source.kind == 'image':
            yield Frame(source.name, None)
        elif source.kind == 'video':
            yield from read_video(source.name, **part or {})
        else:
            yield from read_live(source.name, source.address, **live)


def count_frames(sources: Sequence[Source], **part: Any) -> int | None:
    """Return how many frames there are, as far as the headers of videos tell; None if a live source is among them."""
    if any(source.kind == 'live' for source in sources):
        return None
    return sum(count_video_frames(source.name, **part) if source.kind == 'video' else 1 for source in sources)


def _lines(text: str) -> list[str]:
    """Read the lines of a .txt file, without empty ones and comments; return any other input as it is."""
    path = Path(text)
    if path.suffix.lower() != '.txt' or not path.is_file():
        return [text]
    data = path.read_bytes()
    is_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell writes
    lines = [line.strip() for line in data.decode('utf-16' if is_16 else 'utf-8-sig', 'surrogateescape').splitlines()]
    if lines := [line for line in lines if line and not line.startswith('#')]:
        return lines
    raise InputError(f'{text}: expected one input per line')


def _find(text: str, leave_out: Path | None, ignored: dict[str, str]) -> list[Source]:
    path = Path(text)
    if path.exists() and _inside(path, leave_out):
        raise InputError(f'{text} is in the output folder, whose files are replaced: pass another --out')
    if path.is_dir():
        files = list(list_files(path))
    elif path.exists():
        files = [path]
    elif text.isascii() and text.isdecimal():
        import cv2

        if len(text) > MAX_DIGITS or not cv2.VideoCapture(int(text)).isOpened():
            raise InputError(f'{text}: no file has this name, and camera {text} cannot be opened')
        return [Source(f'camera {int(text)}', 'live')]
    elif scheme_of(text):
        url_kind = find_url_kind(text, IMAGES | HEIC)
        if url_kind == 'live':
            import_optional('av', 'reading streams')
        return [Source(hide_password(text), url_kind, text if url_kind == 'live' else '')]
    elif glob.has_magic(text):
        files = [Path(name) for name in glob.glob(text, recursive=True)]
    else:
        raise MissingFileError(f'{text}: no such file, folder or camera')
    sources = []
    files = [file for file in files if not _inside(file, leave_out)]
    # broken links stay: read_image says what is wrong
    files = [file for file in files if file.is_file() or (file.is_symlink() and not file.exists())]
    for file in sorted(files, key=natural_key):
        suffix = file.suffix.lower()
        if kind := _kind(file, suffix):
            sources.append(Source(str(file), kind))
        else:
            hint = ' (pip install pillow-heif)' if suffix in HEIC else ''
            ignored[os.path.abspath(file)] = (suffix or 'without suffix') + hint
    if not sources:
        others = 'or a file that Pillow (.heic: pip install pillow-heif) or PyAV opens'
        raise InputError(f'{text}: found no image or video; expected {EXPECTED}, {others}')
    return sources


def _kind(path: Path, suffix: str) -> str | None:
    """Tell 'image' from 'video' by a known suffix, otherwise by the libraries; None: neither."""
    if suffix in IMAGES | VIDEOS:
        return 'image' if suffix in IMAGES else 'video'
    with suppress(Exception), open_image(path) as image:
        return 'video' if image.format == 'GIF' and getattr(image, 'is_animated', False) else 'image'
    return 'video' if suffix not in HEIC and is_video(path) else None


def _inside(path: Path, folder: Path | None) -> bool:
    return folder is not None and Path(os.path.abspath(path)).is_relative_to(folder)
