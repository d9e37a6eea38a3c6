"""Rendered images with a given number of people and their boxes."""

from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..synthetic.keypoints import keypoint_set
from ..synthetic.renderer import DIFFICULTIES, render

SIZE = (640, 480)  # (w, h) in pixels
MAX_PEOPLE = 300  # per image
MIN_AREA_PX = 12  # visible


def render_people(images: int, people: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Render a number of images, always the same, with a number of people in each, up to 300.

    Returns images (480, 640, 3) uint8 BGR, and for each the boxes (people, 4) x1 y1 x2 y2 in image pixels, float32.
    ValueError if there are too few or too many people, or too many of them are hidden.
    """
    if not 1 <= people <= MAX_PEOPLE:
        raise InputError(f'--people {people}: expected from 1 to {MAX_PEOPLE}')
    pictures, boxes = zip(*(_render(people, seed) for seed in range(images)), strict=True)
    return list(pictures), list(boxes)


def _render(people: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw more people than needed, since some are hidden; give the boxes of those with the largest visible area."""
    stature = min(0.9, 1.2 / people**0.5)
    for extra in (1.25, 2, 4):
        count = round(extra * people)
        level = replace(DIFFICULTIES['easy'], people=(count, count), stature=(0.8 * stature, stature), overlap=1.0)
        drawn = render(np.random.default_rng(seed), keypoint_set('coco'), level, *SIZE[::-1])
        visible = sorted(drawn.people, key=lambda person: -person['area'])[:people]
        if len(visible) == people and visible[-1]['area'] >= MIN_AREA_PX:
            boxes = np.array([person['bbox'] for person in visible], np.float32)
            boxes[:, 2:] += boxes[:, :2]
            return drawn.image, boxes
    raise InputError(f'--people {people}: too many to fit into an image of {SIZE[0]}x{SIZE[1]} pixels')
