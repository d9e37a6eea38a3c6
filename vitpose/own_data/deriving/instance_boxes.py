"""Boxes of instances, and the input size that suits them."""

from collections.abc import Sequence

import numpy as np

from ..annotations import Instance

BOX_MARGIN = 0.15  # of the larger side of the keypoints' extent, on each side of a box
MIN_BOX_MARGIN_PX = 2.0
INPUT_SHAPES = ((1.16, 192, 256, 'tall'), (0.86, 224, 224, 'square'), (0.0, 256, 192, 'wide'))  # from which ratio


def find_box(instance: Instance) -> tuple[float, float, float, float]:
    """Return the box x y width height in image pixels: the annotated one, or one around the labeled keypoints."""
    if instance.box is not None:
        return instance.box
    points = instance.keypoints[instance.keypoints[:, 2] > 0, :2]
    low, high = points.min(0), points.max(0)
    margin = max(BOX_MARGIN * float((high - low).max()), MIN_BOX_MARGIN_PX)
    (x, y), (w, h) = (low - margin).tolist(), (high - low + 2 * margin).tolist()
    return x, y, w, h


def choose_input_size(boxes: Sequence[tuple[float, float, float, float]]) -> tuple[tuple[int, int], str]:
    """Choose the input size (w, h) in pixels by the median aspect ratio of the boxes; also return the reason."""
    with np.errstate(divide='ignore', invalid='ignore'):
        ratios = np.array([box[3] for box in boxes]) / np.array([box[2] for box in boxes])
    ratio = float(np.median(ratios[np.isfinite(ratios)])) if np.isfinite(ratios).any() else 1.0
    width, height, shape = next((w, h, shape) for lowest, w, h, shape in INPUT_SHAPES if ratio >= lowest)
    return (width, height), f'input {width}x{height}: boxes are {shape}, median height / width {ratio:.2f}'
