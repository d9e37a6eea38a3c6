"""The random crop of pre-training."""

import math
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PretrainCrop(BaseTransform):
    """Random resized crop and horizontal flip of a box, or of the whole image if the record has no `bbox`.

    Within the box, padded and extended to the input's aspect ratio as for fine-tuning, or within the image, a
    rectangle of random area and aspect ratio is cropped and resized. Pixels outside the image are black. Source:
    MAE, with its default values; for a rectangular input `ratio` is relative to the input's aspect ratio.

    Args:
        input_size: (w, h) in pixels, as for `TopdownAffine`.
        scale: smallest and largest share of the area, in (0, 1].
        ratio: smallest and largest aspect ratio w / h of the rectangle, relative to the input's.
        padding: factor for the sides of the box; 1.25 as for fine-tuning.
        flip: probability of a horizontal flip.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        scale: tuple[float, float] = (0.2, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        padding: float = 1.25,
        flip: float = 0.5,
    ):
        if not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError(
                f'PretrainCrop: scale={scale}, expected two shares of the area in (0, 1], the smaller first'
            )
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f'PretrainCrop: ratio={ratio}, expected two aspect ratios > 0, the smaller first')
        if not padding > 0 or not 0 <= flip <= 1:
            raise ValueError(f'PretrainCrop: padding={padding}, flip={flip}: expected > 0, and a probability')
        self.input_size, self.scale, self.ratio, self.padding, self.flip = input_size, scale, ratio, padding, flip
        self.aspect = input_size[0] / input_size[1]

    def transform(self, results: dict) -> dict[str, Any]:
        """Replace `img` (H, W, 3) by the crop (h, w, 3) and remove `bbox`."""
        image, box = results['img'], results.pop('bbox', None)
        width, height = image.shape[1::-1]
        region = (0.0, 0.0, float(width), float(height)) if box is None else self.region(box[0])
        crop = crop_with_border(image, *self.rectangle(*region))
        shrinks = crop.shape[0] > self.input_size[1] and crop.shape[1] > self.input_size[0]
        crop = cv2.resize(crop, self.input_size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        results['flip'] = bool(np.random.rand() < self.flip)
        results['img'] = cv2.flip(crop, 1) if results['flip'] else crop
        results['img_shape'] = results['img'].shape[:2]
        return results

    def region(self, box: np.ndarray) -> tuple[float, float, float, float]:
        """Pad a box x1 y1 x2 y2 and extend it to the input's aspect ratio -> x, y, w, h."""
        x1, y1, x2, y2 = map(float, box)
        w = max(x2 - x1, (y2 - y1) * self.aspect) * self.padding
        return (x1 + x2 - w) / 2, (y1 + y2 - w / self.aspect) / 2, w, w / self.aspect

    def rectangle(self, x: float, y: float, w: float, h: float) -> tuple[int, int, int, int]:
        """Draw a random rectangle inside x, y, w, h; return it in the same form, in whole pixels."""
        for _ in range(10):
            area = w * h * np.random.uniform(*self.scale)
            shape = self.aspect * math.exp(np.random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            wide, high = math.sqrt(area * shape), math.sqrt(area / shape)
            if wide <= w and high <= h:
                left, top = x + np.random.uniform(0, w - wide), y + np.random.uniform(0, h - high)
                break
        else:  # as in torchvision: the largest centered rectangle of a permitted aspect ratio
            shape = min(max(w / h, self.aspect * self.ratio[0]), self.aspect * self.ratio[1])
            wide, high = min(w, h * shape), min(h, w / shape)
            left, top = x + (w - wide) / 2, y + (h - high) / 2
        return round(left), round(top), max(round(wide), 1), max(round(high), 1)


def crop_with_border(image: np.ndarray, x: int, y: int, w: int, h: int) -> np.ndarray:
    """Crop a rectangle from an image, (H, W, 3) -> (h, w, 3), black outside the image."""
    height, width = image.shape[:2]
    inside = image[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
    if inside.shape[:2] == (h, w):
        return inside
    crop = np.zeros((h, w, image.shape[2]), image.dtype)
    top, left = max(-y, 0), max(-x, 0)
    crop[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return crop
