"""Images of any kind -> (H, W, 3) uint8 BGR in upright orientation."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from vitpose_base.image_files import check_complete

from ...errors import InputError, one_line
from ..poses import Frame

Image = np.ndarray | str | Path


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file -> (H, W, 3) uint8 BGR, as MMPose's `LoadImage` does, but refuse damaged files.

    Gray is repeated in three channels; of 16 bits the upper 8 are kept; alpha is dropped, without blending; CMYK is
    converted to BGR; the orientation in the EXIF data is applied. One pixel is enough.

    Raises:
        OSError: the file does not exist or cannot be opened.
        ValueError: it is empty, truncated, or not an image that OpenCV reads; one line that names the file.
    """
    data = Path(path).read_bytes()
    try:
        check_complete(data)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (ValueError, cv2.error) as problem:
        raise InputError(f'{path}: {one_line(problem)}') from problem
    if image is None:
        raise InputError(f'{path}: not an image that OpenCV can read, or damaged; it starts with {data[:12]!r}')
    return image


def as_bgr(image: np.ndarray) -> np.ndarray:
    """An array as (H, W, 3) uint8 BGR, converted as in `read_image`.

    It is uint8 or uint16, and (H, W) or (H, W, 1) gray, (H, W, 3) BGR or (H, W, 4) BGRA; ValueError for any other.
    """
    kind = f'image of shape {image.shape} and type {image.dtype}'
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f'{kind}: expected uint8, or uint16 for 16 bits per channel')
    if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise InputError(f'{kind}: expected (H, W), or (H, W, C) with 1, 3 (BGR) or 4 (BGRA) channels')
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2 or image.shape[2] == 1:
        image = np.repeat(image.reshape(*image.shape[:2], 1), 3, 2)
    return np.ascontiguousarray(image[..., :3])


def as_frame(item: Frame | Image, index: int) -> Frame:
    """A frame of a path, which is not read yet, or of an array, which is named after its index."""
    if isinstance(item, Frame):
        return item
    return Frame(f'image {index}', item) if isinstance(item, np.ndarray) else Frame(str(item), None)


def read_frame(item: Frame | Image, index: int) -> Frame:
    """A frame with its image as uint8 BGR, or with an error; without an image it is read from its name."""
    frame = as_frame(item, index)
    if frame.error is not None:
        return replace(frame, image=None)
    try:
        return replace(frame, image=read_image(frame.name) if frame.image is None else as_bgr(frame.image))
    except OSError as problem:
        return replace(frame, error=f'{frame.name}: {problem.strerror or problem}')
    except ValueError as problem:
        error = str(problem) if frame.image is None else f'{frame.name}: {problem}'
        return replace(frame, image=None, error=error)
