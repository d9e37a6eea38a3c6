"""Keypoints of a figure, with a visibility that is true to what was drawn."""

import numpy as np

from .figure import PARTS_PER_FIGURE, Placed, on_head, part_ids
from .landmarks import KeypointSet, Landmark
from .paint import Canvas


def locate(figure: Placed, landmark: Landmark) -> np.ndarray:
    """A landmark as (x, y, z): image pixels, and pixels to the camera."""
    if landmark.on_head:
        return on_head(figure, landmark.offset)
    arm = figure.frames[landmark.joint] @ np.array(landmark.offset) * figure.scale
    return figure.points[landmark.joint] + arm * (1, -1, 1)


def read_keypoints(canvas: Canvas, figure: Placed, number: int, table: KeypointSet) -> np.ndarray:
    """Keypoints with a visibility that is true to what was drawn.

    Args:
        canvas: The finished canvas.
        figure: Who.
        number: The number it was drawn with.
        table: Which keypoints.

    Returns:
        (K, 3) float: x and y in image pixels and COCO's v: 2 if the figure shows it, 1 if something (or the figure
        itself) hides it, 0 with x = y = 0 if it is outside of the image.
    """
    height, width = canvas.ids.shape
    ids = part_ids(figure.body)
    out = np.zeros((len(table.landmarks), 3))
    for row, landmark in zip(out, table.landmarks.values(), strict=True):
        x, y, z = locate(figure, landmark)
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            continue
        owner, part = divmod(int(canvas.ids[round(y), round(x)]), PARTS_PER_FIGURE)
        row[:] = x, y, 2 if owner == number and _shows(figure, landmark, part, ids, z) else 1
    return out


def _shows(figure: Placed, landmark: Landmark, part: int, ids: dict[str, int], z: float) -> bool:
    if landmark.facing is not None:
        toward = figure.frames[landmark.joint][2] @ np.array(landmark.offset)
        if toward < landmark.facing:
            return False
    if part in {ids[name] for name in landmark.shown_by}:
        return True
    for name in landmark.through:
        bone = figure.body.bones[name]
        middle = (figure.points[bone.start][2] + figure.points[bone.end][2]) / 2
        if part == ids[name] and z > middle - landmark.depth * figure.scale:
            return True
    return False
