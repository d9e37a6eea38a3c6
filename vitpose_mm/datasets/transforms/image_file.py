"""Read each image file once, and check for truncated files, some of which decoders accept."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.fileio import get
from mmpose.datasets.transforms import LoadImage
from mmpose.registry import TRANSFORMS

from vitpose_base.image_files import check_complete
from vitpose_base.pixels import TURNED_BY_OPENCV, decode_deep, decode_upright, describe_undecodable, upper_bits

ADVICE = 'Download the file again, or remove it from the annotation file.'
REDUCED_FLAGS = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}


class BadImageError(ValueError):
    """An image file that is empty, truncated or not an image, or cannot be read."""


class MissingImageError(BadImageError, FileNotFoundError):
    """An image file that does not exist."""


@TRANSFORMS.register_module()
class CheckedLoadImage(LoadImage):
    """MMPose's `LoadImage` that reads each file once and checks it; it replaces `LoadImage` in checked datasets.

    Args:
        bits: significant bits per channel of 16-bit files, 10, 12 or 16; None takes the upper 8 of 16, as MMPose does.
        **options: those of `LoadImage`.
    """

    def __init__(self, bits: int | None = None, **options: Any):
        super().__init__(**options)
        self.bits = bits

    @classmethod
    def replace(cls, transform: object) -> object:
        """Replace a `LoadImage` or `LoadImageFromFile` by this class; return any other transform unchanged."""
        if type(transform) not in (LoadImage, LoadImageFromFile):
            return transform
        checked = cls()
        checked.__dict__.update(vars(transform))
        return checked

    def transform(self, results: dict) -> dict | None:
        """Read `img_path`, unless the sample has an `img`; BadImageError as in `read_image_file` and `decode_image`."""
        if 'img' not in results:
            path = results['img_path']
            options = self.backend_args or dict(self.file_client_args or {})
            if options.get('backend') == 'disk':  # its name in MMEngine's file_client_args
                options['backend'] = 'local'
            data = read_image_file(path, options or None)
            ours = self.bits or (self.color_type == 'color' and not data.startswith(TURNED_BY_OPENCV))
            mmcvs = partial(mmcv.imfrombytes, flag=self.color_type, backend=self.imdecode_backend)
            image = decode_image(data, path, bits=self.bits, decode=decode_upright if ours else mmcvs)
            results['img'] = image.astype(np.float32) if self.to_float32 else image
        return super().transform(results)


def read_image_file(path: str | Path, backend_args: dict | None = None) -> bytes:
    """Read an image file once and check that it is complete: otherwise the gray rest would be trained on.

    `backend_args` are MMEngine's, for files that are not local. MissingImageError if the file does not exist,
    BadImageError if it cannot be read, or is empty or truncated.
    """
    try:
        data = get(path, backend_args)
    except FileNotFoundError as error:
        raise MissingImageError(f'image {path} is missing') from error
    except OSError as error:
        raise BadImageError(f'image {path} cannot be read: {error}') from error
    try:
        check_complete(data)
    except ValueError as error:
        raise BadImageError(f'image {path} is {error}. {ADVICE}') from error
    return data


def decode_image(
    data: bytes,
    path: str | Path,
    factor: int = 1,
    bits: int | None = None,
    decode: Callable[[bytes], np.ndarray | None] = decode_upright,
) -> np.ndarray:
    """Decode the content of an image file as MMPose does, a JPEG optionally at 1 / `factor` of its size: 2, 4 or 8.

    Unlike in MMPose, the EXIF orientation of WebP and AVIF files is applied, and Pillow decodes what OpenCV cannot.
    `bits` are those of `CheckedLoadImage`; `decode` decodes the rest. Returns (H, W, 3) uint8 BGR, each side divided by
    the factor and rounded up; BadImageError, which names `path`, if it cannot be decoded.
    """
    image: np.ndarray | None = None
    problem: Exception | None = None
    try:
        if factor > 1:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), REDUCED_FLAGS[factor])
        elif bits and (deep := decode_deep(data)) is not None:
            image = upper_bits(deep, bits)
        else:
            image = decode(data)
    except ValueError as error:
        raise BadImageError(f'{path}: {error}') from error
    except Exception as error:  # each decoder raises its own errors, for example for too many pixels
        problem = error
    if image is None:
        raise BadImageError(f'image {path} is {describe_undecodable(data)}. {ADVICE}') from problem
    return image
