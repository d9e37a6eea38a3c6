"""Boxes of instances, and the input size that suits them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...predict.inputs.coco_json import box_around
from ..annotations import Box, Instance, Photo

Sizes = Mapping[Path, tuple[int, int]]  # (w, h) in pixels, by image
INPUT_SHAPES = ((1.16, 192, 256, 'tall'), (0.86, 224, 224, 'square'), (0.0, 256, 192, 'wide'))  # lowest h / w
MAX_TIGHT_PX, MAX_TIGHT_SHARE = 1.5, 0.01  # by which a side of a box may differ from the extent of the keypoints


def drop_tight_boxes(instances: Iterable[Instance]) -> int:
    """Remove the boxes that are just the extent of the labeled keypoints, as CVAT writes them; return their number."""
    count = 0
    for instance in instances:
        xy = instance.keypoints[instance.keypoints[:, 2] > 0, :2]
        if instance.box is None or not len(xy):
            continue
        x, y, w, h = instance.box
        sides = np.abs(np.array((x, y, x + w, y + h)) - np.concatenate((xy.min(0), xy.max(0))))
        if (sides <= max(MAX_TIGHT_PX, MAX_TIGHT_SHARE * max(w, h))).all():
            instance.box = None
            count += 1
    return count


def use_whole_images(photos: Iterable[Photo], sizes: Sizes) -> int:
    """Give instances without box and extent the whole image as box, unless they are outside; return their number.

    A box around a single labeled keypoint says nothing of the object, and has the keypoint always in its middle.
    """
    count = 0
    for photo in photos:
        for instance in filter(has_no_extent, photo.instances):
            x, y, w, h = find_box(instance)
            width, height = sizes.get(photo.path, (0, 0))
            if 0 <= x + w / 2 < width and 0 <= y + h / 2 < height:
                instance.box = (0.0, 0.0, float(width), float(height))
                count += 1
    return count


def has_no_extent(instance: Instance) -> bool:
    """Answer whether an instance has no box and all labeled keypoints at one point, usually a single keypoint."""
    xy = instance.keypoints[instance.keypoints[:, 2] > 0, :2]
    return instance.box is None and len(xy) > 0 and not np.ptp(xy, 0).any()


def find_box(instance: Instance) -> Box:
    """Return the box x y width height in image pixels: the annotated one, or one around the labeled keypoints."""
    return box_around(instance.keypoints) if instance.box is None else instance.box


def find_box_share(photos: Iterable[Photo], sizes: Sizes) -> tuple[float, float]:
    """Return 1st and 99th percentile of the share of its image that a box takes, above 0 and at most 1."""
    shares = [w * h / math.prod(sizes[photo.path]) for photo in photos for _, _, w, h in map(find_box, photo.instances)]
    low, high = np.percentile(np.clip(shares, 1e-5, 1), (1, 99)).tolist()  # a single box does not count
    return round(low, 5), round(high, 5)


def choose_input_size(boxes: Sequence[Box], is_small: bool = False) -> tuple[tuple[int, int], str]:
    """Choose the input size (w, h) in pixels by the median aspect ratio of the boxes; also return the reason.

    A small one has three quarters of each side, in whole patches of 16 pixels.
    """
    ratio = float(np.median([h / w for _, _, w, h in boxes]))
    width, height, shape = next((w, h, shape) for lowest, w, h, shape in INPUT_SHAPES if ratio >= lowest)
    width, height = (side * 3 // 64 * 16 for side in (width, height)) if is_small else (width, height)
    return (width, height), f'input {width}x{height}: boxes are {shape}, median height / width {ratio:.2f}'
