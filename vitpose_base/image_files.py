"""Properties of image files that decoders do not report."""

import io
from contextlib import suppress
from pathlib import Path

from PIL import Image

NOT_IMAGES = {'BUFR', 'EPS', 'GRIB', 'HDF5', 'MPEG', 'WMF'}  # Pillow cannot decode these by itself


def check_complete(data: bytes) -> None:
    """Raise a ValueError if an image file is empty, or a JPEG or PNG file truncated.

    OpenCV decodes a truncated file without an error and fills the rest with gray. The cheap search for the end marker
    comes first; only a file without a marker is decoded strictly, by Pillow.
    """
    if not data:
        raise ValueError('empty (0 bytes)')
    if data.startswith(b'\xff\xd8'):
        # The end marker must follow the last start of scan: a thumbnail in the header also has both markers.
        # Compressed data contain neither.
        complete = data.rfind(b'\xff\xd9') > data.rfind(b'\xff\xda')
    else:
        complete = not data.startswith(b'\x89PNG') or b'IEND' in data[-64:]
    if complete:
        return
    try:
        Image.open(io.BytesIO(data)).load()
    except Exception as problem:  # DecompressionBombError derives directly from Exception
        raise ValueError(f'truncated: {len(data)} bytes without an end marker ({problem})') from problem


def open_image(file: bytes | Path) -> Image.Image:
    """Open an image with Pillow, HEIC files if pillow-heif is installed; an OSError if it is not an image."""
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    formats = [name for name in Image.OPEN if name not in NOT_IMAGES]  # in Pillow's order: some have no mark
    return Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=formats)


def exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a Pillow image: 1 if upright, 5 to 8 if width and height are swapped."""
    return image.getexif().get(0x112, 1)  # the tag's number


def upright_size(path: Path) -> tuple[int, int]:
    """Return width and height in pixels of the upright image in a file, from its header.

    OSError, ValueError or SyntaxError if it cannot be opened, or is not an image.
    """
    with open_image(path) as image:
        return image.size[::-1] if exif_orientation(image) >= 5 else image.size  # 5 to 8: sideways
