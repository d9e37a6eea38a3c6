"""Draw poses with one color per body side, and contact sheets of rendered images."""

from pathlib import Path

import cv2
import numpy as np

from vitpose_base.files import replacing

from ..errors import InputError
from .keypoints import BODY_KEYPOINTS, KeypointSet, keypoint_set
from .render_settings import RenderSettings, render_one

LEFT, RIGHT, MIDDLE = (90, 220, 60), (60, 120, 255), (255, 210, 70)  # BGR: green, orange, light blue
WHITE, DARK = (245, 245, 245), (30, 30, 30)
COLUMNS, ROWS, MIN_TILE_WIDTH_PX = 4, 2, 640
_SHIFT = 4  # fractional bits of the coordinates passed to cv2


def side_color(*names: str) -> tuple[int, int, int]:
    """Return the BGR color of a keypoint or limb by its side; MIDDLE if its names have no side or both sides."""
    sides = {name.split('_')[0] for name in names if name.startswith(('left_', 'right_'))}
    return MIDDLE if len(sides) != 1 else {'left': LEFT, 'right': RIGHT}[sides.pop()]


def draw_pose(image: np.ndarray, keypoints: np.ndarray, table: KeypointSet, zoom: int) -> None:
    """Draw a skeleton: v = 2 as a colored dot, v = 1 as a white dot, v = 0 not at all; details of the body are thinner.

    `image` (H * zoom, W * zoom, 3) uint8 BGR is an enlarged image; `keypoints` (K, 3) are in pixels of the original.
    """
    names, visibility = table.names, keypoints[:, 2]
    points = np.rint(((keypoints[:, :2] + 0.5) * zoom - 0.5) * 2**_SHIFT).astype(int).tolist()
    for a, b in table.limbs():
        if visibility[a] > 0 and visibility[b] > 0:
            thickness = zoom if max(a, b) < BODY_KEYPOINTS else 1
            cv2.line(image, points[a], points[b], side_color(names[a], names[b]), thickness, cv2.LINE_AA, _SHIFT)
    for i in np.flatnonzero(visibility > 0):
        radius = round((1.3 if i < BODY_KEYPOINTS else 0.4) * zoom * 2**_SHIFT)
        if i < BODY_KEYPOINTS:
            cv2.circle(image, points[i], radius + 2**_SHIFT, DARK, -1, cv2.LINE_AA, _SHIFT)
        color = side_color(names[i]) if visibility[i] == 2 else WHITE
        cv2.circle(image, points[i], radius, color, -1, cv2.LINE_AA, _SHIFT)


def check_sheet_name(path: Path) -> None:
    """Raise ValueError unless the file is a PNG or JPEG."""
    if path.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        raise InputError(f'preview {path}: expected a name that ends in .png or .jpg')


def write_contact_sheet(path: Path, settings: RenderSettings) -> None:
    """Render the first training images of a dataset, or held-out ones if there are none, and draw their keypoints."""
    check_sheet_name(path)
    split = 'train' if settings.train else 'val'
    zoom = -(-MIN_TILE_WIDTH_PX // settings.width)
    height, width = settings.height * zoom, settings.width * zoom
    sheet = np.full((ROWS * height, COLUMNS * width, 3), DARK, np.uint8)
    for index in range(min(ROWS * COLUMNS, getattr(settings, split))):
        rendered = render_one(settings, split, index)
        tile = cv2.resize(rendered.image, (width, height), interpolation=cv2.INTER_CUBIC)
        for person in rendered.people:
            draw_pose(tile, person['keypoints'], keypoint_set(settings.kind), zoom)
        y, x = index // COLUMNS * height, index % COLUMNS * width
        sheet[y : y + height, x : x + width] = tile
    encoded = cv2.imencode(path.suffix, sheet, (cv2.IMWRITE_JPEG_QUALITY, 88))[1]
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
