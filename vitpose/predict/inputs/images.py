"""Images of any kind -> (H, W, 3) uint8 BGR in upright orientation."""

import functools
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageOps
from PIL.Image import Image as PillowImage

from vitpose_base.image_files import check_complete
from vitpose_base.pixels import decode_deep, decode_upright, depth_of, describe_undecodable, upper_bits

from ...errors import InputError, one_line, warn
from ..poses import Frame, failed
from .urls import read_url, scheme_of

Image = Any  # a path or URL, an array, a Pillow image, or the bytes of an image file
EXPECTED = 'expected a path or URL, an array (H, W, 3) uint8 BGR, a Pillow image, bytes of a file, a Frame, or a list'
HEIC = (b'heic', b'heix', b'heim', b'heis', b'mif1', b'msf1')  # brands in the first bytes of the files


def read_image(path: str | Path, bits: int | None = None) -> np.ndarray:
    """Read an image file -> (H, W, 3) uint8 BGR, as MMPose's `LoadImage` does, but refuse damaged files.

    Gray is repeated in three channels; of 16 bits 8 are kept, see `_upper_bits`; alpha is dropped, without blending;
    CMYK is converted to BGR; the orientation in the EXIF data is applied, also to WebP and AVIF, where OpenCV ignores
    it. What OpenCV cannot read is left to Pillow. Of a file with several images the first one is read.

    OSError if it cannot be opened; ValueError if it is empty, truncated, or not an image that OpenCV or Pillow reads.
    """
    return decode_image(Path(path).read_bytes(), str(path), bits)


def decode_image(data: bytes, path: str, bits: int | None = None) -> np.ndarray:
    """Decode the bytes of an image file, as `read_image` does; `path` is its name in messages."""
    try:
        check_complete(data)
        image = decode_upright(data)
        if image is not None and (bits or image.max() <= 16):  # perhaps 10 or 12 bits in 16
            deep = decode_deep(data)
            image = image if deep is None else _upper_bits(deep, bits)
    except Exception as problem:  # each library raises its own
        raise InputError(f'{path}: {one_line(problem)}') from problem
    if image is None:
        remedy = 'HEIC files need the package pillow-heif: pip install pillow-heif'
        raise InputError(f'{path}: {remedy if data[8:12] in HEIC else describe_undecodable(data)}')
    return image


def _upper_bits(image: np.ndarray, bits: int | None) -> np.ndarray:
    """Return the upper 8 bits of uint16 pixels of `bits` bits; by default 10, 12 or 16, as the largest value tells.

    Cameras store 10 and 12 bits as they are in files of 16 bits; their upper 8 bits would be an all but black image.
    """
    if bits is None:
        bits = depth_of(image)
        if bits < 16:
            report_range(bits)
    return upper_bits(image, bits)


@functools.cache
def report_range(bits: int) -> None:
    """Say how 16-bit images are read, once after each `report_range.cache_clear()`."""
    warn(f'16-bit images with no value above {2**bits - 1:,} are read as {bits} bits per channel')


def as_bgr(image: np.ndarray, bits: int | None = None) -> np.ndarray:
    """Convert (H, W) or (H, W, 1) gray, (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16 -> (H, W, 3) uint8 BGR.

    The conversion is that of `read_image`. ValueError for any other array.
    """
    kind = f'image of shape {image.shape} and type {image.dtype}'
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f'{kind}: expected uint8, or uint16 for 16 bits per channel')
    if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise InputError(f'{kind}: expected (H, W), or (H, W, C) with 1, 3 (BGR) or 4 (BGRA) channels')
    if image.dtype == np.uint16:
        image = _upper_bits(image, bits)
    if image.ndim == 2 or image.shape[2] == 1:
        image = np.repeat(image.reshape(*image.shape[:2], 1), 3, 2)
    return np.ascontiguousarray(image[..., :3])


def is_image(item: object) -> bool:
    """Answer whether this is an array, a Pillow image or bytes."""
    return isinstance(item, np.ndarray | bytes | bytearray | memoryview | PillowImage)


def as_frame(item: Frame | Image, index: int) -> Frame:
    """Make a frame from a path, which is not read yet; from an image, named after its index; or one with an error."""
    if isinstance(item, Frame):
        return item
    if isinstance(item, str | os.PathLike):
        return Frame(os.fsdecode(item), None)
    if is_image(item):
        return Frame(f'image {index}', item)
    return failed(Frame(f'image {index}', None), InputError(f'{type(item).__name__}: {EXPECTED}'))


def read_frame(item: Frame | Image, index: int, bits: int | None = None) -> Frame:
    """Return a frame with its image as uint8 BGR, or with an error; without an image it is read from its name.

    `bits` are those of 16-bit images; None: by the largest value of each.
    """
    frame = as_frame(item, index)
    if frame.error is not None:
        return replace(frame, image=None)
    try:
        return replace(frame, image=_read(frame.image, frame.name, bits))
    except Exception as problem:
        return failed(frame, problem)


def _read(image: Image | None, name: str, bits: int | None) -> np.ndarray:
    if image is None:
        is_url = not os.path.exists(name) and scheme_of(name).startswith('http')
        return decode_image(read_url(name), name, bits) if is_url else read_image(name, bits)
    if isinstance(image, bytes | bytearray | memoryview):
        return decode_image(bytes(image), name, bits)
    if isinstance(image, np.ndarray):
        return as_bgr(image, bits)
    image = ImageOps.exif_transpose(image)
    if image.mode[0] in 'IF':  # 16 or more bits per pixel, which Pillow would cut off at 255
        return as_bgr(np.asarray(image), bits)
    return np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])
