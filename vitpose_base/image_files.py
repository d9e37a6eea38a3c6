"""Properties of image files that decoders do not tell."""

import io
from typing import Any

EXIF_ORIENTATION = 0x112  # the tag's number


def check_complete(data: bytes) -> None:
    """Raise a ValueError if an image file is empty, or a JPEG or PNG file truncated.

    OpenCV decodes a truncated file without an error and fills the rest with gray. The cheap search for the end marker
    comes first; only a file without a marker is decoded strictly, by Pillow. Without Pillow it counts as truncated.
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
        from PIL import Image

        Image.open(io.BytesIO(data)).load()
    except Exception as problem:  # its DecompressionBombError derives from Exception alone
        raise ValueError(f'truncated: {len(data)} bytes without an end marker ({problem})') from problem


def exif_orientation(image: Any) -> int:
    """Return the EXIF orientation of a Pillow image: 1 if upright, 5 to 8 if width and height are swapped."""
    return image.getexif().get(EXIF_ORIENTATION, 1)
