"""Is this file a whole image? Asked before decoding, since decoders hide half of the answer."""

import io
from pathlib import Path

import cv2
from PIL import Image, UnidentifiedImageError


def check_image_file(path: str | Path) -> None:
    """Refuse a file that is no image or only the beginning of one.

    OpenCV decodes a truncated JPEG without an error and leaves the rest grey, which would be
    trained on. The end marker is looked for first, which costs next to nothing, and only a file
    without one is decoded strictly.

    Args:
        path: an existing local file.

    Raises:
        ValueError: the file is empty, no image that OpenCV reads, or truncated.
    """
    path = Path(path)
    data = path.read_bytes()
    advice = 'Fetch the file again, or remove it from the annotation file.'
    if not data:
        raise ValueError(f'image {path} is empty (0 bytes). {advice}')
    if not cv2.haveImageReader(str(path)):
        raise ValueError(f'image {path} is no image that OpenCV reads: it starts with {data[:12]!r}. {advice}')
    if has_end_marker(data):
        return
    try:
        Image.open(io.BytesIO(data)).load()
    except (OSError, SyntaxError, UnidentifiedImageError, ValueError) as error:
        raise ValueError(f'image {path} is truncated: {len(data)} bytes without the end ({error}). {advice}') from error


def has_end_marker(data: bytes) -> bool:
    """Whether a JPEG's or PNG's data reach its end marker; other formats count as whole.

    Args:
        data: the file's bytes.
    """
    if data.startswith(b'\xff\xd8'):
        # Neither marker can occur inside compressed data; a thumbnail in the header has its own
        # pair before the picture's last start of scan.
        return data.rfind(b'\xff\xd9') > data.rfind(b'\xff\xda')
    if data.startswith(b'\x89PNG'):
        return b'IEND' in data[-64:]
    return True
