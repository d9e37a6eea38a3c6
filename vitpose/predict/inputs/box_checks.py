"""Checks of boxes: those that cannot be predicted are dropped with a reason."""

from typing import Any

import numpy as np

from ...errors import InputError
from .coco_json import short_text


def check_boxes(boxes: Any, scores: Any, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Keep the boxes from which people can be predicted; they are not clipped to the image.

    Args:
        boxes: (N, 4) x1 y1 x2 y2 in image pixels, an array or a list.
        scores: (N,), or None for 1.
        size: (w, h) of the image.

    Returns:
        Boxes (M, 4) float32, scores (M,) float32, their indices (M,) among the N boxes, and one line with the reason
        for each of the N - M boxes that were dropped.

    Raises:
        ValueError: `boxes` or `scores` are not numbers, or have another shape.
    """
    try:
        with np.errstate(over='ignore'):  # too large for float32: infinite
            array = np.array(list(boxes) or np.zeros((0, 4)), np.float32)
            numbers = np.ones(len(array), np.float32) if scores is None else np.asarray(scores, np.float32)
        if array.shape[1:] != (4,) or numbers.shape != (len(array),):
            raise ValueError('expected N x 4 numbers x1 y1 x2 y2, for one box [box]; and N scores, or None')
    except (TypeError, ValueError, OverflowError) as problem:
        raise InputError(f'boxes {short_text(boxes)} with scores {short_text(scores)}: {problem}') from problem
    x1, y1, x2, y2 = array.T
    outside = (x2 <= 0) | (y2 <= 0) | (x1 >= size[0]) | (y1 >= size[1])
    problems = (
        (~np.isfinite(array).all(1), 'expected finite numbers'),
        ((x2 <= x1) | (y2 <= y1), 'it has no area; expected x1 < x2 and y1 < y2'),
        (outside, f'it lies outside of the image of {size[0]}x{size[1]} pixels'),
        (~np.isfinite(numbers), 'its score is not finite'),
    )
    reasons = [next((reason for is_bad, reason in problems if is_bad[i]), '') for i in range(len(array))]
    dropped = [f'box {i} {short_text(array[i])}: {reason}' for i, reason in enumerate(reasons) if reason]
    indices = np.array([i for i, reason in enumerate(reasons) if not reason], np.int64)
    return array[indices], numbers[indices], indices, dropped
