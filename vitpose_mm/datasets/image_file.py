"""A check for truncated or unreadable images, which decoders partly accept."""

import io
from pathlib import Path

import cv2
from PIL import Image, UnidentifiedImageError

ADVICE = 'Download the file again, or remove it from the annotation file.'


def check_image_file(path: str | Path) -> None:
    """Raise a ValueError if a file is not an image or is truncated.

    OpenCV decodes a truncated JPEG without an error and fills the rest with grey, which would be trained on. The
    cheap search for the end marker comes first; only a file without one is decoded strictly by Pillow.

    Args:
        path: an existing local file.

    Raises:
        ValueError: the file is empty, not readable by OpenCV, or truncated.
    """
    check_image_bytes(Path(path).read_bytes(), path)
    if not cv2.haveImageReader(str(path)):
        raise ValueError(not_an_image(Path(path).read_bytes(), path))


def check_image_bytes(data: bytes, path: str | Path) -> None:
    """Raise a ValueError if the bytes of an image file are empty or truncated.

    Args:
        data: the file.
        path: its path, for the message.

    Raises:
        ValueError: see above.
    """
    if not data:
        raise ValueError(f'image {path} is empty (0 bytes). {ADVICE}')
    try:
        check_complete(data)
    except ValueError as error:
        raise ValueError(f'image {path} is {error}. {ADVICE}') from error


def not_an_image(data: bytes, path: str | Path) -> str:
    """The message of a file that OpenCV cannot read."""
    return f'image {path} is not an image that OpenCV can read: it starts with {data[:12]!r}. {ADVICE}'


def check_complete(data: bytes) -> None:
    """Raise a ValueError if the bytes of an image file are truncated."""
    if has_end_marker(data):
        return
    try:
        Image.open(io.BytesIO(data)).load()
    except (OSError, SyntaxError, UnidentifiedImageError, ValueError) as error:
        raise ValueError(f'truncated: {len(data)} bytes without an end marker ({error})') from error


def has_end_marker(data: bytes) -> bool:
    """Return whether the bytes of a JPEG or PNG file contain its end marker; True for other formats."""
    if data.startswith(b'\xff\xd8'):
        # The end marker must follow the last start of scan: a thumbnail in the header has both markers too.
        # Compressed data contain neither.
        return data.rfind(b'\xff\xd9') > data.rfind(b'\xff\xda')
    if data.startswith(b'\x89PNG'):
        return b'IEND' in data[-64:]
    return True
