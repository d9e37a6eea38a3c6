"""A page to look through predictions: one HTML file, with pictures, styles and scripts in it."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..poses import Frame, Poses
from .results import JsonArray, rounded

SIZE = 640  # pixels of the longer side of a picture
QUALITY = 75  # of its JPEG
MAX_ENTRIES = 1000
MARK = '[/* entries */]'


class Page:
    """Write the page entry by entry: every image, and of a video the first frame of every second.

    After 1,000 entries no more are added, and the page says so.
    """

    def __init__(self, path: Path, metainfo: Mapping[str, Any]) -> None:
        head, tail = Path(__file__).with_name('page.html').read_text(encoding='utf-8').split(MARK)
        self._entries = JsonArray(path, head, tail)
        names = metainfo.get('keypoint_id2name') or {}
        self._entries.append([names.get(i) for i in range(max(names, default=-1) + 1)])
        self._count, self._left_out = 0, 0
        self._second: tuple[str, int] | None = None

    def shows(self, frame: Frame) -> bool:
        """Whether the next frame is to be in the page with its picture."""
        return self._count < MAX_ENTRIES and self._is_next(frame)

    def write(self, frame: Frame, poses: Poses, drawn: Callable[[], np.ndarray] | None) -> None:
        """Add an entry, if the frame is to be in the page; `drawn` returns it drawn, (H, W, 3) uint8 BGR."""
        if frame.error is None and not self._is_next(frame):
            return
        if self._count >= MAX_ENTRIES:
            self._second = _second(frame)
            self._left_out += 1
            return
        tracks = [None] * len(poses.scores) if poses.track_ids is None else poses.track_ids.tolist()
        rows = zip(poses.scores, poses.box_scores, tracks, strict=True)
        people = [
            dict(score=rounded(points.mean(), 3), box=rounded(box, 3), track=track, points=rounded(points, 2))
            for points, box, track in rows
            if np.isfinite(points).all() and np.isfinite(box)
        ]
        time = None if frame.time is None else rounded(frame.time, 2)
        picture = None if drawn is None or frame.image is None else _data_uri(drawn())
        entry = dict(file=frame.name, time=time, error=frame.error, dropped=poses.dropped)
        self._entries.append(entry | dict(people=people, picture=picture))
        self._second = _second(frame)
        self._count += 1

    def _is_next(self, frame: Frame) -> bool:
        return frame.index is None or _second(frame) != self._second

    def close(self) -> None:
        """Finish the file."""
        self._entries.append(self._left_out)
        self._entries.close()


def _second(frame: Frame) -> tuple[str, int] | None:
    return None if frame.index is None else (frame.name, int(frame.time or 0))


def _data_uri(image: np.ndarray) -> str:
    scale = SIZE / max(image.shape[:2])
    if scale < 1:
        size = [max(round(side * scale), 1) for side in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1]
    return 'data:image/jpeg;base64,' + base64.b64encode(encoded.tobytes()).decode()
