"""A page to look through predictions: one HTML file, with pictures, styles and scripts in it."""

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..poses import Frame, Poses, keypoint_names, rounded, score_name
from .results import write_array

SIDE_PX = 640  # the longer side of a picture
QUALITY = 75  # of its JPEG
MAX_ENTRIES = 1000  # in memory until the page is closed; it says how many are left out


class Page:
    """Collect entries, at most MAX_ENTRIES: every image, of a video the first frame of every second, and all errors."""

    def __init__(self, path: Path, metainfo: Mapping[str, Any]) -> None:
        self._path, self._entries, self._left_out = path, list[dict[str, Any]](), 0
        self._names, self._score = keypoint_names(metainfo), score_name(metainfo)
        self._object = escape(metainfo.get('category') or 'person')
        self._second: tuple[str, int | None] | None = None

    def shows(self, frame: Frame) -> bool:
        """Answer whether the frame is to be on the page."""
        return frame.error is not None or frame.index is None or (frame.name, int(frame.time or 0)) != self._second

    def write(self, frame: Frame, poses: Poses, drawn: np.ndarray | None) -> None:
        """Add an entry, if the frame is to be in the page; its picture is `drawn`, (H, W, 3) uint8 BGR."""
        if not self.shows(frame):
            return
        if len(self._entries) < MAX_ENTRIES:
            tracks = [None] * len(poses.scores) if poses.track_ids is None else poses.track_ids.tolist()
            people = [
                dict(score=rounded(points.mean(), 3), box=rounded(box, 3), track=track, points=rounded(points, 2))
                for points, box, track in zip(poses.scores, poses.box_scores, tracks, strict=True)
                if np.isfinite(points).all() and np.isfinite(box)
            ]
            picture = None if drawn is None else _data_uri(drawn)
            entry = dict(file=frame.name, time=frame.time and rounded(frame.time, 2), error=frame.error)
            self._entries.append(entry | dict(dropped=poses.dropped, people=people, picture=picture))
        else:
            self._left_out += 1
        self._second = frame.name, None if frame.index is None else int(frame.time or 0)

    def close(self) -> None:
        """Write the file."""
        text = Path(__file__).with_name('page.html').read_text(encoding='utf-8')
        head, tail = text.replace('[/* score */]', self._score).split('[/* entries */]')
        head = head.replace('>person<', f'>{self._object}<')
        write_array(self._path, [self._names, *self._entries, self._left_out], head, tail)


def _data_uri(image: np.ndarray) -> str:
    scale = SIDE_PX / max(image.shape[:2])
    if scale < 1:
        size = [max(round(side * scale), 1) for side in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1]
    return 'data:image/jpeg;base64,' + base64.b64encode(encoded.tobytes()).decode()
