"""Crops of people: the rule of a config's test pipeline, applied as MMPose applies it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ...errors import InputError

MAX_SIDE_PX = 32_766  # cv2.warpAffine reads no larger image
# what the crop depends on, by transform; the last row only changes labels or what is packed
UNDERSTOOD: dict[str, tuple[str, ...]] = {
    **dict(LoadImage=('backend_args',), CheckedLoadImage=('backend_args', 'bits')),
    **dict(GetBBoxCenterScale=('padding',), TopdownAffine=('input_size', 'use_udp')),
    **dict(KeypointConverter=('*',), GenerateTarget=('*',), KeypointTarget=('*',), PackPoseInputs=('*',)),
}


@dataclass(frozen=True)
class CropRule:
    """How a box is cropped to the network's input."""

    input_size: tuple[int, int]  # (w, h) of the crop in pixels
    padding: float = 1.25  # factor by which boxes are enlarged
    use_udp: bool = False  # pixel centers of the crop's corners, not pixel corners, lie on the region's corners (UDP)

    def regions(self, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Convert boxes (N, 4) x1 y1 x2 y2 to centers (N, 2) and sizes (N, 2) of regions to crop, in image pixels."""
        centers, scales = (boxes[:, 2:] + boxes[:, :2]) * 0.5, (boxes[:, 2:] - boxes[:, :2]) * self.padding
        width, height = np.hsplit(scales, 2)
        ratio = self.input_size[0] / self.input_size[1]
        wide, high = np.hstack((width, width / ratio)), np.hstack((height * ratio, height))
        return centers, np.where(width > height * ratio, wide, high)

    def matrices(self, centers: np.ndarray, scales: np.ndarray) -> list[np.ndarray]:
        """Compute the affine matrices (2, 3) from image pixels to input pixels, one per region."""
        if self.use_udp:
            return [self._udp_matrix(*region) for region in zip(centers, scales, strict=True)]
        # MMPose's get_warp_matrix without its rotation, which takes most of its time
        width, height = self.input_size
        target = np.array([[width, height], [0, height], [0, height + width]], np.float32) * 0.5
        left = (centers - scales[:, :1].astype(np.float64) * [[0.5, 0.0]]).astype(np.float32)
        below = left + np.stack((left[:, 1] - centers[:, 1], centers[:, 0] - left[:, 0]), 1)
        return [cv2.getAffineTransform(source, target) for source in np.stack((centers, left, below), 1)]

    def empty(self, count: int) -> np.ndarray:
        """Allocate a batch to crop into: (count, h, w, 3) uint8."""
        return np.empty((count, *self.input_size[::-1], 3), np.uint8)

    def source(self, image: np.ndarray) -> Any:
        """Return what `crop` takes of an image: itself."""
        return image

    def crop_each(
        self, images: Iterable[np.ndarray], centers: np.ndarray, scales: np.ndarray, count: int | None = None
    ) -> Any:
        """Crop one region of each of N images (H, W, 3) uint8; return a batch of `empty`, of N or `count` crops."""
        crops = self.empty(count or len(centers))
        for i, image in enumerate(images):
            if start_waiting := self.crop(self.source(image), *(a[i : i + 1] for a in (centers, scales, crops))):
                start_waiting()
        return crops

    def crop(self, image: Any, centers: np.ndarray, scales: np.ndarray, out: Any) -> Any:
        """Crop regions of an image (H, W, 3) uint8 into `out` (N, h, w, 3) uint8, black outside of the image."""
        if max(image.shape[:2]) > MAX_SIDE_PX:
            raise InputError(f'{image.shape[1]}x{image.shape[0]} pixels: OpenCV crops at most {MAX_SIDE_PX} per side')
        for matrix, crop in zip(self.matrices(centers, scales), out, strict=True):
            cv2.warpAffine(image, matrix, self.input_size, dst=crop, flags=cv2.INTER_LINEAR)

    def to_image(self, keypoints: np.ndarray, centers: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Map keypoints (N, K, 2) from MMPose's input pixels to image pixels, float32."""
        scales, centers = scales[:, None], centers[:, None]
        return (keypoints / self.input_size * scales + centers - 0.5 * scales).astype(np.float32)

    def _udp_matrix(self, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Compute the UDP matrix as MMPose does, to the last bit."""
        matrix = np.zeros((2, 3), np.float32)
        for axis, size in enumerate(self.input_size):
            step = (size - 1) / scale[axis]
            matrix[axis, [axis, 2]] = step, step * (0.5 * scale[axis] - center[axis])
        return matrix


def read_crop_rule(pipeline: Sequence[Any], source: str) -> CropRule:
    """Read the crop rule of a test pipeline, the transforms' configs; `source` is its name in messages.

    ValueError if it has a transform or option that would change the crop in another way, or no `TopdownAffine`.
    """
    options: dict[str, dict] = {}
    for step in pipeline:
        arguments = dict(step)
        kind = arguments.pop('type')
        name = (kind if isinstance(kind, str) else kind.__name__).rpartition('.')[2]
        known = UNDERSTOOD.get(name)
        if known is None or (known != ('*',) and set(arguments) - set(known)):
            shown = ', '.join(f'{key}={value}' for key, value in arguments.items())
            raise InputError(f'{source}: PosePredictor cannot repeat {name}({shown}), only {", ".join(UNDERSTOOD)}')
        options[name] = arguments
    for name in ('GetBBoxCenterScale', 'TopdownAffine'):
        if name not in options:
            raise InputError(f'{source}: expected {name} in the test pipeline of a top-down model')
    width, height = map(int, options['TopdownAffine'].pop('input_size'))
    return CropRule((width, height), **options['GetBBoxCenterScale'], **options['TopdownAffine'])
