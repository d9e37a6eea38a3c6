"""Annotate a figure from the pixels of a finished canvas: keypoints with visibility, box, area and outline."""

import cv2
import numpy as np

from .figure import PARTS_PER_FIGURE, Figure, part_ids
from .landmarks import KeypointSet, Landmark
from .paint import Canvas

MIN_LABELED_AREA_PX = 12  # the keypoints of a figure with fewer visible pixels are not labeled


def locate(figure: Figure, landmark: Landmark) -> np.ndarray:
    """Return the position (x, y, z) of a landmark: x and y in image pixels, z in pixels towards the camera."""
    if landmark.on_head:
        return figure.on_head(landmark.offset)
    return figure.at(landmark.joint, np.array(landmark.offset))


def read_keypoints(canvas: Canvas, figure: Figure, number: int, table: KeypointSet) -> np.ndarray:
    """Read the keypoints of a figure that was drawn with a number on a finished canvas.

    Returns (K, 3) float: x and y in image pixels, and COCO's v: 2 if visible, 1 if occluded by something else or by the
    figure itself, 0 with x = y = 0 if outside the image.
    """
    height, width = canvas.ids.shape
    ids = part_ids(figure.body)
    keypoints = np.zeros((len(table.landmarks), 3))
    for row, landmark in zip(keypoints, table.landmarks.values(), strict=True):
        x, y, z = locate(figure, landmark)
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            continue
        owner, part = divmod(int(canvas.ids[round(y), round(x)]), PARTS_PER_FIGURE)
        row[:] = x, y, 2 if owner == number and _is_visible(figure, landmark, part, ids, z) else 1
    return keypoints


def _is_visible(figure: Figure, landmark: Landmark, part: int, ids: dict[str, int], z: float) -> bool:
    """Return whether a landmark at depth `z` is visible where `part` of its own figure is drawn; see `Landmark`."""
    if landmark.facing is not None and figure.frames[landmark.joint][2] @ np.array(landmark.offset) < landmark.facing:
        return False
    return part in {ids[name] for name in landmark.shown_by} or any(
        part == ids[name] and z > figure.middle_z(name) - landmark.depth * figure.scale for name in landmark.through
    )


def annotate(canvas: Canvas, figure: Figure, number: int, table: KeypointSet) -> dict | None:
    """Annotate one figure; return None if it has no visible pixel.

    An annotation has `keypoints` (K, 3) with COCO's v, all 0 if fewer than MIN_LABELED_AREA_PX pixels are visible;
    `bbox` (x, y, w, h), `area` and `polygons` of its visible pixels; and `head_box` (x1, y1, x2, y2), which also covers
    occluded parts of the head.
    """
    mask = (canvas.ids // PARTS_PER_FIGURE == number).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    if not width or not height:
        return None
    area = int(mask.sum())
    keypoints = read_keypoints(canvas, figure, number, table) * (area >= MIN_LABELED_AREA_PX)
    crop = mask[y : y + height, x : x + width]
    contours, _ = cv2.findContours(crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    outlines = [cv2.approxPolyDP(contour, 0.8, True) for contour in contours]
    polygons = [outline.reshape(-1).tolist() for outline in outlines if len(outline) >= 3]
    polygons = polygons or [[x, y, x + width, y, x + width, y + height, x, y + height]]
    box = (x, y, width, height)
    return dict(keypoints=keypoints, bbox=box, area=area, polygons=polygons, head_box=figure.head_box())
