"""The boxes that scores are calibrated with: people, with true and jittered boxes, and background without people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vitpose_base.coco_fields import PERSON_AREA_SHARE

JITTER = 0.1  # standard deviation of a box's shift, relative to its sides, and of the logarithm of the sides
BACKGROUND_SIDES = (0.15, 0.6)  # smallest and largest side of a box without people, relative to the image's
BACKGROUND_IOU = 0.1  # its intersection over union with each person is lower
MAX_TRIES = 100


@dataclass(frozen=True)
class LabeledBox:
    """A box, and the person who is labeled in it."""

    image: str  # path
    kind: str  # 'true', 'jittered' or 'background'
    box: tuple[float, ...]  # x1 y1 x2 y2 in image pixels
    keypoints: np.ndarray  # (K, 3) x, y and visibility in image pixels; no person: all 0
    scale: float  # square root of the person's area in pixels, which is 0.53 of the true box's; no person: 0


def vary_boxes(
    image: str, size: Sequence[int], boxes: np.ndarray, keypoints: np.ndarray, rng: np.random.Generator, empty: int
) -> Iterator[LabeledBox]:
    """Yield the people of an image of a size (w, h), each with a true and a jittered box, and background.

    `boxes` (N, 4) x1 y1 x2 y2 and `keypoints` (N, K, 3) are those of its people, `rng` is for jitter and background;
    `empty` is the number of boxes without people, if there is room.
    """
    for box, labels in zip(boxes, keypoints, strict=True):
        sides = box[2:] - box[:2]
        center, half = (box[:2] + box[2:]) / 2 + rng.normal(0, JITTER, 2) * sides, sides / 2
        half = half * np.exp(rng.normal(0, JITTER, 2))
        scale = float(np.sqrt(PERSON_AREA_SHARE * sides.prod()))
        for kind, corners in (('true', box), ('jittered', (*(center - half), *(center + half)))):
            yield LabeledBox(image, kind, tuple(map(float, corners)), labels, scale)
    for _ in range(empty):
        if (background := _find_background(rng, np.array(size, float), boxes, keypoints)) is not None:
            yield LabeledBox(image, 'background', background, np.zeros(keypoints.shape[1:]), 0.0)


def _find_background(
    rng: np.random.Generator, size: np.ndarray, boxes: np.ndarray, keypoints: np.ndarray
) -> tuple[float, ...] | None:
    """Find a box in an image of a size (w, h) without a labeled keypoint in it; None if there is no room.

    It may overlap with the box of a person a little, see `BACKGROUND_IOU`.
    """
    for _ in range(MAX_TRIES):
        sides = size * rng.uniform(*BACKGROUND_SIDES, 2)
        low = rng.uniform(0, 1, 2) * (size - sides)
        high = low + sides
        is_inside = ((keypoints[..., :2] >= low) & (keypoints[..., :2] <= high)).all(-1) & (keypoints[..., 2] > 0)
        shared = (np.minimum(boxes[:, 2:], high) - np.maximum(boxes[:, :2], low)).clip(0).prod(1)
        union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + sides.prod() - shared
        if not is_inside.any() and (shared < BACKGROUND_IOU * union).all():
            return tuple(map(float, (*low, *high)))
    return None
