"""The header of a JPEG file, and the geometry of decoding at reduced scale."""

import io
import math

import numpy as np
from PIL import Image

from vitpose_base.image_files import exif_orientation

SIZE_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return (h, w) of a JPEG file that can be decoded at reduced scale, or None.

    None for other formats, an unknown header, more than 8 bits or 3 channels (CMYK), and an image that EXIF data
    rotate or mirror.
    """
    if not data.startswith(b'\xff\xd8'):
        return None
    position = 2
    while position + 9 < len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], 'big')
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        segment = data[position + 4 : position + 2 + length]
        if marker in SIZE_MARKERS:
            height, width = (int.from_bytes(segment[i : i + 2], 'big') for i in (1, 3))
            usable = len(segment) > 5 and segment[0] == 8 and segment[5] in (1, 3) and height and width
            return (height, width) if usable else None
        if marker == 0xE1 and segment.startswith(b'Exif') and _orientation(data) != 1:
            return None
        position += 2 + length
    return None


def _orientation(data: bytes) -> int:
    """Return the EXIF orientation, 1 for an upright image, 0 if it cannot be read."""
    try:
        return exif_orientation(Image.open(io.BytesIO(data)))
    except (OSError, SyntaxError, ValueError):
        return 0


def reduction_factor(scale: float) -> int:
    """Return the largest of 8, 4, 2, 1 that can reduce an image before it is resized by `scale`, without enlarging."""
    return next((factor for factor in (8, 4, 2) if factor * scale <= 1), 1)


def reduced_to_full_matrix(factor: int) -> np.ndarray:
    """Return the matrix (3, 3) from pixels of an image reduced by `factor` to pixels of the full-size image."""
    shift = (factor - 1) / 2  # between the centers of the first pixels
    return np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]], np.float64)


def affine_scale(matrix: np.ndarray) -> float:
    """Return the factor by which an affine matrix (2, 3) resizes along the axis that it shrinks least."""
    return max(math.hypot(*matrix[:, 0]), math.hypot(*matrix[:, 1]))
