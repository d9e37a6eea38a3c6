"""Draw poses into images, with the colors and the skeleton of the dataset.

This uses OpenCV directly: supervision's annotators are slower and draw all links in one color without smooth edges;
MMPose's visualizer has one width of lines for all people and no track ids.
"""

import colorsys
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..inputs.sources import Source
from ..poses import Poses

MIN_SCORE = 0.3  # keypoints with a lower score are not drawn
DARK = (30, 30, 30)
QUALITY = 92  # of JPEG files, 0 to 100
MAX_COORDINATE = 2**15  # pixels; cv2 cannot draw to points much farther away
_SHIFT = 4  # fractional bits of the coordinates passed to cv2


def draw_poses(
    image: np.ndarray, poses: Poses, metainfo: Mapping[str, Any], min_score: float = MIN_SCORE
) -> np.ndarray:
    """Draw boxes, links, keypoints, and the ids of tracked people into a copy of an image (H, W, 3) uint8 BGR.

    `metainfo` is as MMPose parses it: skeleton_links, and keypoint_colors and skeleton_link_colors in RGB. Keypoints
    with a score below `min_score` are not drawn.
    """
    drawn = image.copy()
    links = list(zip(metainfo['skeleton_links'], _bgr(metainfo['skeleton_link_colors']), strict=True))
    colors = _bgr(metainfo['keypoint_colors'])
    for i, (points, scores, box) in enumerate(zip(poses.keypoints, poses.scores, poses.boxes, strict=True)):
        box = _finite(box)
        size = float(np.clip(np.max(box[2:] - box[:2]) / 150, 1, 8))  # thickness of a link in pixels
        track = -1 if poses.track_ids is None else int(poses.track_ids[i])
        _draw_box(drawn, box, track, max(1, round(size / 2)))
        fixed = np.rint(_finite(points) * 2**_SHIFT).astype(int).tolist()
        seen = (scores >= min_score) & np.isfinite(points).all(axis=1)
        for (a, b), color in links:
            if seen[a] and seen[b]:
                cv2.line(drawn, fixed[a], fixed[b], DARK, round(size) + 2, cv2.LINE_AA, _SHIFT)
                cv2.line(drawn, fixed[a], fixed[b], color, round(size), cv2.LINE_AA, _SHIFT)
        radius = round((1 + size) * 2**_SHIFT)
        for point, color in ((fixed[k], colors[k]) for k in np.flatnonzero(seen)):
            cv2.circle(drawn, point, radius + 2**_SHIFT, DARK, -1, cv2.LINE_AA, _SHIFT)
            cv2.circle(drawn, point, radius, color, -1, cv2.LINE_AA, _SHIFT)
    return drawn


def write_jpeg(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3), uint8 BGR; ValueError if a side is too long for the format."""
    is_done, encoded = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    if not is_done:
        raise ValueError(f'{image.shape[1]}x{image.shape[0]} pixels are too long for a JPEG')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())


def file_names(sources: Sequence[Source]) -> dict[str, Path]:
    """Return where each source is drawn, relative to the output folder, by the source's name.

    The folders below the deepest folder that all files share are kept, and the suffix becomes .jpg or .mp4. Where two
    files would get the same name, the second one keeps its own suffix before it.
    """
    files = [os.path.abspath(source.name) for source in sources if source.kind != 'camera']
    top = os.path.commonpath(map(os.path.dirname, files)) if files else ''
    names: dict[str, Path] = {}
    used: set[str] = set()
    for source in sources:
        suffix = '.jpg' if source.kind == 'image' else '.mp4'
        path = Path(source.name.replace(' ', '_') if source.kind == 'camera' else os.path.relpath(source.name, top))
        place = path.with_suffix(suffix)
        while str(place).lower() in used:
            path = place = path.with_name(path.name + suffix)
        used.add(str(place).lower())
        names[source.name] = place
    return names


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


def _finite(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.nan_to_num(pixels), -MAX_COORDINATE, MAX_COORDINATE)


def _bgr(colors: np.ndarray) -> list[tuple[int, int, int]]:
    return [(int(blue), int(green), int(red)) for red, green, blue in colors]
