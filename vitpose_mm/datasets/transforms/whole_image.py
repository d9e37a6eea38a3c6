"""Crops of whole images, with which one network both finds and refines an object."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomWholeImage(BaseTransform):
    """Replace the box of an image's one object by the whole image, or by a random window of it that holds the box.

    A network that also learns from such crops can find the object without a detector: first in the whole image, then
    in the box around its keypoints (two passes). This transform comes before `GetBBoxCenterScale`.

    Args:
        prob: probability of replacing a box.
        window_prob: probability that a window replaces it, rather than the whole image.

    Raises:
        ValueError: a probability is not between 0 and 1.
    """

    def __init__(self, prob: float = 0.3, window_prob: float = 0.5):
        for name, value in dict(prob=prob, window_prob=window_prob).items():
            if not 0 <= value <= 1:
                raise ValueError(f'{name}={value}: expected a probability between 0 and 1')
        self.prob, self.window_prob = prob, window_prob

    def transform(self, results: dict) -> dict[str, Any]:
        """Set `bbox` (1, 4) x1 y1 x2 y2 in pixels; the image's size is `ori_shape` (h, w)."""
        draws = np.random.uniform(size=2)
        if draws[0] >= self.prob:
            return results
        whole = np.array([0, 0, *results['ori_shape'][::-1]], np.float32)
        # each side moves by its own share of the way from the box to the edge of the image
        share = np.random.uniform(size=4) if draws[1] < self.window_prob else 1
        results['bbox'] = results['bbox'] + (share * (whole - results['bbox'])).astype(np.float32)
        return results
