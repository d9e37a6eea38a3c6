"""Draw poses into images, with the colors and the skeleton of the dataset.

This uses OpenCV directly: supervision's annotators are slower and draw all links in one color without smooth edges;
MMPose's visualizer has one width of lines for all people and no track ids.
"""

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..errors import InputError

DARK = (30, 30, 30)
MAX_LENGTH_PX = 1000  # of a thickness or radius
MAX_COORDINATE_PX = 2**15  # cv2 cannot draw to points much farther away
MAX_TEXT = 8  # the thickness up to which names grow
_SHIFT = 4  # fractional bits of the coordinates passed to cv2


@dataclass(frozen=True)
class DrawStyle:
    """How poses are drawn. ValueError if a length is not positive, or more than `MAX_LENGTH_PX`."""

    kpt_score: float = 0.3  # keypoints with a lower score are not drawn, nor are their links
    names: bool = False  # the name of each keypoint beside it
    thickness: float | None = None  # of links, in pixels; None: by the size of the box, 1 to 8
    radius: float | None = None  # of keypoints, in pixels; None: one more than the thickness
    boxes: bool = True  # boxes, and the ids of tracked people on them
    blank: bool = False  # on black, instead of the image
    uncertainty: bool = True  # the ellipse of one standard deviation around each keypoint that has a covariance

    def __post_init__(self) -> None:
        """Raise the ValueError."""
        for name in ('thickness', 'radius'):
            value = getattr(self, name)
            if value is not None and not 0 < value <= MAX_LENGTH_PX:
                raise InputError(f'{name}={value}: expected pixels, more than 0 and at most {MAX_LENGTH_PX}')


def draw_poses(
    image: np.ndarray, poses: Any, metainfo: Mapping[str, Any], style: DrawStyle | None = None
) -> np.ndarray:
    """Draw boxes, links and keypoints of `Poses`, and track ids, into a copy of an image (H, W, 3) uint8 BGR.

    `metainfo` is as MMPose parses it: skeleton_links, keypoint_id2name, and keypoint_colors and skeleton_link_colors in
    RGB. OpenCV draws names in other scripts than Latin as question marks. ValueError for any other image.
    """
    style = style or DrawStyle()
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        kind = f'{image.shape} {image.dtype}' if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f'image {kind}: expected an array (H, W, 3) uint8 BGR to draw on, such as that of a Frame')
    drawn = np.zeros(image.shape, np.uint8) if style.blank else image.copy()
    links = list(zip(metainfo['skeleton_links'], _bgr(metainfo['skeleton_link_colors']), strict=True))
    colors = _bgr(metainfo['keypoint_colors'])
    for i, (points, scores, box) in enumerate(zip(poses.keypoints, poses.scores, poses.boxes, strict=True)):
        box = _finite(box)
        size = style.thickness or float(np.clip(np.max(box[2:] - box[:2]) / 150, 1, 8))
        if style.boxes:
            track = -1 if poses.track_ids is None else int(poses.track_ids[i])
            _draw_box(drawn, box, track, max(1, round(size / 2)))
        width = max(1, round(size))
        fixed = np.rint(_finite(points) * 2**_SHIFT).astype(int).tolist()
        seen = (scores >= style.kpt_score) & np.isfinite(points).all(axis=1)
        for (a, b), color in links:
            if seen[a] and seen[b]:
                cv2.line(drawn, fixed[a], fixed[b], DARK, width + 2, cv2.LINE_AA, _SHIFT)
                cv2.line(drawn, fixed[a], fixed[b], color, width, cv2.LINE_AA, _SHIFT)
        if style.uncertainty and poses.covariance is not None:
            for k in np.flatnonzero(seen):
                _draw_ellipse(drawn, fixed[k], poses.covariance[i, k], colors[k])
        radius = round((style.radius or 1 + size) * 2**_SHIFT)
        for point, color in ((fixed[k], colors[k]) for k in np.flatnonzero(seen)):
            cv2.circle(drawn, point, radius + 2**_SHIFT, DARK, -1, cv2.LINE_AA, _SHIFT)
            cv2.circle(drawn, point, radius, color, -1, cv2.LINE_AA, _SHIFT)
        for k in np.flatnonzero(seen) if style.names else ():
            x, y = (np.rint(_finite(points[k])).astype(int) + (round(size) + 4, 4)).tolist()
            for thick, shade in ((3, DARK), (1, colors[k])):
                text, scale = metainfo['keypoint_id2name'][int(k)], 0.3 + 0.05 * min(size, MAX_TEXT)
                cv2.putText(drawn, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, shade, thick, cv2.LINE_AA)
    return drawn


def track_color(track_id: int) -> tuple[int, int, int]:
    """Return the BGR color of a track; those of successive ids differ clearly. Negative: light gray."""
    if track_id < 0:
        return (210, 210, 210)
    red, green, blue = colorsys.hsv_to_rgb(track_id * 0.618034 % 1, 0.75, 1.0)
    return (round(blue * 255), round(green * 255), round(red * 255))


def _draw_box(image: np.ndarray, box: np.ndarray, track: int, thickness: int) -> None:
    color = track_color(track)
    left, top, right, bottom = np.rint(box).astype(int).tolist()
    cv2.rectangle(image, (left, top), (right, bottom), color, thickness)
    if track >= 0:
        scale = 0.4 + 0.1 * thickness
        (width, height), base = cv2.getTextSize(f'{track}', cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        x, y = max(left, 0), max(top, height + base)
        cv2.rectangle(image, (x, y - height - base), (x + width + 2, y), color, -1)
        corner, font = (x + 1, y - base // 2), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(image, f'{track}', corner, font, scale, DARK, thickness, cv2.LINE_AA)


def _draw_ellipse(image: np.ndarray, center: list[int], covariance: np.ndarray, color: tuple[int, int, int]) -> None:
    """Draw one standard deviation of a covariance (2, 2) around a center in fractions of a pixel."""
    if not np.isfinite(covariance).all():
        return
    squares, axes = np.linalg.eigh(covariance)
    sides = np.rint(np.sqrt(squares.clip(0)).clip(max=MAX_COORDINATE_PX) * 2**_SHIFT).astype(int).tolist()
    angle = float(np.degrees(np.arctan2(axes[1, 0], axes[0, 0])))
    cv2.ellipse(image, center, sides, angle, 0, 360, color, 1, cv2.LINE_AA, _SHIFT)


def _finite(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.nan_to_num(pixels), -MAX_COORDINATE_PX, MAX_COORDINATE_PX)


def _bgr(colors: np.ndarray) -> list[tuple[int, int, int]]:
    return [(int(blue), int(green), int(red)) for red, green, blue in colors]
