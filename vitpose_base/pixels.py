"""Decode what OpenCV decodes differently from what training and prediction need: 16-bit and sideways images."""

from contextlib import suppress

import cv2
import numpy as np
from PIL import ImageOps

from .image_files import exif_orientation, open_image

TURNED_BY_OPENCV = (b'\xff\xd8', b'\x89PNG', b'II*\0', b'MM\0*')  # how JPEG, PNG and TIFF files start
UNSUPPORTED = 'expected 8-bit or unsigned 16-bit pixels: convert the image'
DEPTHS = (10, 12, 16)  # significant bits per channel of 16-bit files


def decode_upright(data: bytes) -> np.ndarray | None:
    """Decode an image file -> (H, W, 3) uint8 BGR in upright orientation; None if neither OpenCV nor Pillow can.

    OpenCV decodes it, and Pillow what OpenCV cannot decode or, as WebP and AVIF, does not turn by its EXIF orientation.
    ValueError for 32 bits per channel, whose range is not known: Pillow would cut them off at 255.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is not None and data.startswith(TURNED_BY_OPENCV):
        return image
    harmless = (OSError, SyntaxError) if image is None else (Exception,)  # then only the orientation is read
    with suppress(*harmless), open_image(data) as opened:
        if image is None and opened.mode[0] in 'IF':
            raise ValueError(UNSUPPORTED)
        if image is None or exif_orientation(opened) != 1:
            return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(opened).convert('RGB'))[..., ::-1])
    return image


def describe_undecodable(data: bytes) -> str:
    """Say that `decode_upright` cannot decode a file, and how it starts."""
    return f'not an image that OpenCV or Pillow can read: it starts with {data[:12]!r}'


def decode_deep(data: bytes) -> np.ndarray | None:
    """Decode an image file of 16 bits per channel -> (H, W, 3) uint16 BGR; None for any other."""
    if data.startswith(b'\xff\xd8'):
        return None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    return image if image is not None and image.dtype == np.uint16 else None


def depth_of(image: np.ndarray) -> int:
    """Return the number of bits, one of `DEPTHS`, that hold the largest value of uint16 pixels."""
    return next(bits for bits in DEPTHS if image.max() < 2**bits)


def upper_bits(image: np.ndarray, bits: int) -> np.ndarray:
    """Convert uint16 pixels that use `bits` bits to uint8 by keeping the upper 8; larger values become 255."""
    return np.minimum(image >> (bits - 8), 255).astype(np.uint8)
