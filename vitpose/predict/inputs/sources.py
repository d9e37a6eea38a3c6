"""What to predict on: image files, folders, globs, videos and cameras, as one stream of frames."""

import glob
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ...errors import InputError, MissingFileError
from ..poses import Frame

IMAGES = frozenset(('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'))
VIDEOS = frozenset(('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.ts', '.webm', '.wmv'))
EXPECTED = f'an image ({" ".join(sorted(IMAGES))}) or a video ({" ".join(sorted(VIDEOS))})'


@dataclass(frozen=True)
class Source:
    """An image file, a video file or a camera."""

    name: str  # path as given, or as found below a given folder; 'camera 0' for a camera
    kind: str  # 'image', 'video' or 'camera'


def find_sources(inputs: Sequence[str], leave_out: Path | None = None) -> list[Source]:
    """Find the images and videos that the inputs name, in their order, each once.

    Args:
        inputs: paths of images, videos and folders; globs; camera indices, such as '0', unless a file has that name.
            Folders are searched with all folders below, in alphabetical order, without hidden files and links to
            folders. In folders and globs, files that are neither image nor video by their suffix are ignored.
        leave_out: output folder: what is in it is not searched.

    Raises:
        FileNotFoundError: nothing has the name.
        ValueError: a file is neither image nor video, or a folder or glob has none, or there is no such camera.
    """
    sources: dict[str, Source] = {}
    for text in inputs:
        for source in _find(text, leave_out and Path(os.path.abspath(leave_out))):
            sources.setdefault(os.path.abspath(source.name), source)
    return list(sources.values())


def read_frames(sources: Sequence[Source], left_out: Mapping[str, str] | None = None) -> Iterator[Frame]:
    """Frames of the sources, one after the other.

    Image files are left for `PosePredictor.stream` to read, several in parallel. What cannot be read is a `Frame` with
    `error` and without image; a source in `left_out` is not read, and has one frame with the error that stands there.
    """
    for source in sources:
        if left_out and source.name in left_out:
            yield Frame(source.name, None, error=left_out[source.name])
        elif source.kind == 'image':
            yield Frame(source.name, None)
        elif source.kind == 'video':
            from .video import read_video

            yield from read_video(source.name)
        else:
            yield from _read_camera(source.name)


def count_frames(sources: Sequence[Source]) -> int | None:
    """Return how many frames there are, as far as the headers of videos tell; None if a camera is among them."""
    if any(source.kind == 'camera' for source in sources):
        return None
    from .video import count_video_frames

    return sum(count_video_frames(source.name) if source.kind == 'video' else 1 for source in sources)


def _find(text: str, leave_out: Path | None) -> list[Source]:
    path = Path(text)
    if path.exists() and _inside(path, leave_out):
        raise InputError(f'{text} is in the output folder, whose files are replaced: pass another --out')
    if path.is_dir():
        files = sorted(file for file in path.rglob('*') if '/.' not in f'/{file.relative_to(path).as_posix()}')
    elif path.exists():
        if (kind := _kind(path)) is None:
            raise InputError(f'{text}: expected {EXPECTED}, or a folder of them')
        return [Source(text, kind)]
    elif text.isascii() and text.isdecimal():
        import cv2

        camera, index = cv2.VideoCapture(int(text)), int(text)
        opened = camera.isOpened()
        camera.release()
        if not opened:
            raise InputError(f'{index}: no file has this name, and camera {index} cannot be opened')
        return [Source(f'camera {index}', 'camera')]
    elif glob.has_magic(text):
        files = [Path(name) for name in sorted(glob.glob(text, recursive=True))]
    else:
        raise MissingFileError(f'{text}: no such file, folder or camera')
    sources = [Source(str(file), kind) for file in files if (kind := _kind(file)) and not _inside(file, leave_out)]
    if not sources:
        place = 'in this folder or below' if path.is_dir() else 'of this name'
        raise InputError(f'{text}: found nothing {place} that is {EXPECTED}')
    return sources


def _kind(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix in IMAGES | VIDEOS and path.is_file():
        return 'image' if suffix in IMAGES else 'video'
    return None


def _inside(path: Path, folder: Path | None) -> bool:
    return folder is not None and Path(os.path.abspath(path)).is_relative_to(folder)


def _read_camera(name: str) -> Iterator[Frame]:
    """Read until the camera ends or the caller stops; times are those of this computer's clock."""
    import cv2

    camera = cv2.VideoCapture(int(name.split()[1]))
    start = time.monotonic()
    try:
        for index in count():
            _, image = camera.read()
            error = 'the camera gave no more images' if image is None else None
            yield Frame(name, image, index, time.monotonic() - start, error=error)
            if error:
                return
    finally:
        camera.release()
