"""Draw poses, with one colour per body side, and contact sheets of rendered images."""

import cv2
import numpy as np

from .keypoints import KeypointSet, keypoint_set
from .recipe import Recipe, render_one

LEFT, RIGHT, MIDDLE = (90, 220, 60), (60, 120, 255), (255, 210, 70)  # BGR: green, orange, light blue
_SHIFT = 4  # fractional bits of the coordinates passed to cv2
BODY_POINTS = 17  # keypoints after these belong to feet, face and hands


def side_colour(*names: str) -> tuple[int, int, int]:
    """Return the BGR colour of a keypoint or limb by its side; MIDDLE if its names have no side or both sides."""
    sides = {name.split('_')[0] for name in names if name.startswith(('left_', 'right_'))}
    return MIDDLE if len(sides) != 1 else {'left': LEFT, 'right': RIGHT}[sides.pop()]


def draw_pose(image: np.ndarray, keypoints: np.ndarray, table: KeypointSet, size: float = 1.0) -> None:
    """Draw a skeleton: v = 2 as a coloured dot, v = 1 as a white dot, v = 0 not at all.

    Args:
        image: (H, W, 3) uint8 BGR, modified in place.
        keypoints: (K, 3): x and y in pixels, and v.
        table: Names and skeleton of the keypoints.
        size: Scale factor of lines and dots.
    """
    names = table.names
    fixed = [tuple(int(round(c * 2**_SHIFT)) for c in point[:2]) for point in keypoints]
    for a, b in table.limbs():
        if keypoints[a, 2] > 0 and keypoints[b, 2] > 0:
            colour = side_colour(names[a], names[b])
            if max(a, b) < BODY_POINTS:
                cv2.line(image, fixed[a], fixed[b], (30, 30, 30), round(3 * size) + 1, cv2.LINE_AA, _SHIFT)
            thick = 2 * size if max(a, b) < BODY_POINTS else 0.8 * size
            cv2.line(image, fixed[a], fixed[b], colour, max(round(thick), 1), cv2.LINE_AA, _SHIFT)
    for i, (name, point, (_, _, v)) in enumerate(zip(names, fixed, keypoints, strict=True)):
        if v > 0:
            radius = round((2.6 if i < BODY_POINTS else 0.8) * size * 2**_SHIFT)
            if i < BODY_POINTS:
                cv2.circle(image, point, radius + 2**_SHIFT, (30, 30, 30), -1, cv2.LINE_AA, _SHIFT)
            inner = side_colour(name) if v == 2 else (245, 245, 245)
            cv2.circle(image, point, radius, inner, -1, cv2.LINE_AA, _SHIFT)


def contact_sheet(recipe: Recipe, columns: int = 4, rows: int = 2, width: int = 1600) -> np.ndarray:
    """Render the first images of a dataset and draw their keypoints.

    Args:
        recipe: Dataset; its training images are used, or the held-out ones if it has no training images.
        columns: Images per row.
        rows: Images per column.
        width: Width of the sheet in pixels.

    Returns:
        (height, width, 3) uint8 BGR; cells without an image are dark grey.
    """
    split = 'train' if recipe.train else 'val'
    table = keypoint_set(recipe.kind)
    zoom = max(2, round(width / columns / recipe.width))
    tall, wide = recipe.height * zoom, recipe.width * zoom
    sheet = np.full((rows * tall, columns * wide, 3), 40, np.uint8)
    for index in range(min(rows * columns, recipe.count(split))):
        rendered = render_one(recipe, split, index)
        tile = cv2.resize(rendered.image, (wide, tall), interpolation=cv2.INTER_CUBIC)
        for person in rendered.people:
            keypoints = person['keypoints'].copy()
            keypoints[:, :2] = (keypoints[:, :2] + 0.5) * zoom - 0.5
            draw_pose(tile, keypoints, table, zoom / 2)
        row, column = divmod(index, columns)
        sheet[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide] = tile
    size = (width, round(width * sheet.shape[0] / sheet.shape[1]))
    return cv2.resize(sheet, size, interpolation=cv2.INTER_AREA)
