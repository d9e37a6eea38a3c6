"""The header of a JPEG file, and the geometry of decoding at reduced scale."""

import io
import math

import numpy as np
from PIL import Image

from vitpose_base.image_files import exif_orientation


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return (h, w) of a JPEG file that can be decoded at reduced scale, or None.

    None for other formats, an unknown header, more than 8 bits or 3 channels (CMYK), and an image that EXIF data
    rotate or mirror.
    """
    if not data.startswith(b'\xff\xd8'):
        return None
    try:
        image = Image.open(io.BytesIO(data), formats=['JPEG'])
        usable = image.mode in ('L', 'RGB') and all(image.size) and exif_orientation(image) == 1
    except Exception:  # Pillow can raise anything for a damaged header
        return None
    return image.size[::-1] if usable else None


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
