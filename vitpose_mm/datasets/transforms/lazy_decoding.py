"""Transforms of a training pipeline that decode an image only when its crop is known.

They replace MMPose's transforms, draw the same random numbers and give the same crops, except where a JPEG is decoded
at reduced scale (`DecodeAndCrop(reduced_decoding=False)` turns this off): `LazyLoadImage` replaces `LoadImage`,
`LazyRandomFlip` `RandomFlip`, `FastRandomBBoxTransform` `RandomBBoxTransform` and `DecodeAndCrop` `TopdownAffine`.
Between `LazyLoadImage` and `DecodeAndCrop` a sample has no `img`, so transforms of pixels must follow the crop. After
MMPose's `LoadImage` these transforms do the same as MMPose's.
"""

import io
import math
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import RandomBBoxTransform, RandomFlip, TopdownAffine
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import get_udp_warp_matrix, get_warp_matrix
from PIL import Image
from scipy.special import ndtr, ndtri

from vitpose_base.image_files import exif_orientation

from .image_file import decode_image, read_image_file

IMAGE_FILE = 'image_file'  # the bytes of a JPEG, or the pixels of any other image
FLIP_CODES = {'horizontal': 1, 'vertical': 0, 'diagonal': -1}
FLIPPED_AXES = {'horizontal': (2,), 'vertical': (1,), 'diagonal': (1, 2)}  # of (3, H, W)


@TRANSFORMS.register_module()
class LazyLoadImage(BaseTransform):
    """Read an image file once and check it; `DecodeAndCrop` decodes it.

    Adds `image_file`, and `img_shape` and `ori_shape` (h, w) from the file's header. Files whose header is not
    sufficient are decoded at once: formats other than JPEG, CMYK, and images that EXIF data rotate.

    Args:
        backend_args: MMEngine's, for files that are not local.
        bits: significant bits per channel of 16-bit files, 10, 12 or 16; None takes the upper 8 of 16, as MMPose does.
    """

    def __init__(self, backend_args: dict | None = None, bits: int | None = None):
        self.backend_args, self.bits = backend_args, bits

    def transform(self, results: dict) -> dict[str, Any]:
        """Read `img_path`. MissingImageError if it is missing, BadImageError if empty, truncated or not an image."""
        path = results['img_path']
        content: Any = read_image_file(path, self.backend_args)
        shape = jpeg_size(content)
        if shape is None:
            content = decode_image(content, path, bits=self.bits)
            shape = content.shape[:2]
        results[IMAGE_FILE] = content
        results['img_shape'] = results['ori_shape'] = shape
        return results


@TRANSFORMS.register_module()
class LazyRandomFlip(RandomFlip):
    """MMPose's `RandomFlip` of box and keypoints, with its arguments; `DecodeAndCrop` mirrors the pixels."""

    def _choose_direction(self) -> str | None:
        """Draw as MMPose does, faster for a single direction."""
        if isinstance(self.direction, str) and isinstance(self.prob, float):
            return self.direction if np.random.random_sample() < self.prob else None
        return super()._choose_direction()

    def transform(self, results: dict) -> dict[str, Any]:
        """Flip everything but the pixels."""
        if IMAGE_FILE not in results:
            return super().transform(results)
        results = super().transform(dict(results, img=[]))  # MMPose accepts a list of images, here an empty one
        del results['img']
        return results


@TRANSFORMS.register_module()
class FastRandomBBoxTransform(RandomBBoxTransform):
    """MMPose's `RandomBBoxTransform`, with its arguments, without constructing a scipy distribution per sample."""

    @staticmethod
    def _truncnorm(low: float = -1.0, high: float = 1.0, size: tuple = ()) -> np.ndarray:
        """Draw the same numbers as `scipy.stats.truncnorm`, a truncated standard normal distribution."""
        first, last = ndtr((low, high))
        return ndtri(first + np.random.uniform(size=size) * (last - first)).astype(np.float32)


@TRANSFORMS.register_module()
class DecodeAndCrop(TopdownAffine):
    """MMPose's `TopdownAffine` of an image from `LazyLoadImage`, mirrored if `LazyRandomFlip` decided so.

    A JPEG that the crop shrinks to 1/2, 1/4, 1/8 or less is decoded at this scale, which filters it; the decoded image
    is never enlarged. MMPose's crops show aliasing there, also in testing, which uses MMPose's transforms.

    Args:
        input_size: (w, h) of the crop in pixels.
        use_udp: whether to crop as in UDP.
        reduced_decoding: False decodes every image at full size, which gives exactly MMPose's crops.
        device_crop: leave the whole decoded image in `img`, and how to crop it in `device_crop`, for the model's
            `DeviceCropPreprocessor`; needs `PackCroppedInputs` and collate_fn=dict(type='pseudo_collate').
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        use_udp: bool = False,
        reduced_decoding: bool = True,
        device_crop: bool = False,
    ):
        super().__init__(input_size, use_udp)
        self.reduced_decoding, self.device_crop = reduced_decoding, device_crop

    def transform(self, results: dict) -> dict[str, Any]:
        """Set `img` (h, w, 3), `transformed_keypoints` (1, K, 2), `input_size`, `input_center`, `input_scale`.

        BadImageError if the image cannot be decoded.
        """
        if IMAGE_FILE not in results:
            return super().transform(results)
        width, height = self.input_size
        results['bbox_scale'] = self._fix_aspect_ratio(results['bbox_scale'], aspect_ratio=width / height)
        center, scale = results['bbox_center'][0], results['bbox_scale'][0]
        angle = results['bbox_rotation'][0] if 'bbox_rotation' in results else 0.0
        warp = (get_udp_warp_matrix if self.use_udp else get_warp_matrix)(center, scale, angle, (width, height))
        keypoints = results['keypoints'].copy()
        keypoints[..., :2] = cv2.transform(results['keypoints'][..., :2], warp)
        results['transformed_keypoints'] = keypoints
        results['img'] = self._crop(results, warp)
        results.update(input_size=self.input_size, input_center=center, input_scale=scale)
        return results

    def _crop(self, results: dict, warp: np.ndarray) -> np.ndarray:
        image, factor, flip = results.pop(IMAGE_FILE), 1, results.get('flip_direction')
        if isinstance(image, bytes):
            factor = reduction_factor(warp) if self.reduced_decoding else 1
            image = decode_image(image, results['img_path'], factor)
        if factor > 1:
            warp = warp.astype(np.float64) @ flip_matrix(flip, results['ori_shape']) @ reduced_to_full_matrix(factor)
            flip = None
        if self.device_crop:
            results['device_crop'] = warp.astype(np.float64), flip and FLIPPED_AXES[flip]
            return image
        if flip:  # not by the matrix: the warp rounds positions, so the crop would not be exactly MMPose's
            image = cv2.flip(image, FLIP_CODES[flip])
        return cv2.warpAffine(image, warp, self.input_size, flags=cv2.INTER_LINEAR)


def flip_matrix(direction: str | None, shape: tuple[int, int]) -> np.ndarray:
    """Return the matrix (3, 3) from pixels of an image of (h, w) to those of the flipped image; None does not flip."""
    matrix = np.eye(3)
    for axis, name in enumerate(('horizontal', 'vertical')):
        if direction in (name, 'diagonal'):
            matrix[axis, axis], matrix[axis, 2] = -1, shape[1 - axis] - 1
    return matrix


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


def reduction_factor(matrix: np.ndarray) -> int:
    """Return the largest of 8, 4, 2, 1 by which to reduce an image that a matrix (2, 3) resizes, never enlarging it."""
    scale = max(math.hypot(*matrix[:, 0]), math.hypot(*matrix[:, 1]))  # along the axis that it shrinks least
    return next((factor for factor in (8, 4, 2) if factor * scale <= 1), 1)


def reduced_to_full_matrix(factor: int) -> np.ndarray:
    """Return the matrix (3, 3) from pixels of an image reduced by `factor` to pixels of the full-size image."""
    shift = (factor - 1) / 2  # between the centers of the first pixels
    return np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]], np.float64)
