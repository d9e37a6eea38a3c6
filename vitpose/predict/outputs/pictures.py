"""Drawn images and videos."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ..inputs.sources import Source
from ..inputs.video import VideoWriter
from ..poses import Frame

QUALITY = 92  # of JPEG files, 0 to 100


class Pictures:
    """Write one JPEG file per image and one MP4 file per video into a folder, under the names of `file_names`."""

    def __init__(self, folder: Path, sources: Sequence[Source]) -> None:
        self._paths = {name: folder / file for name, file in file_names(sources).items()}
        self._video: tuple[str, VideoWriter] | None = None
        self.images = self.videos = 0  # number of files

    def write(self, frame: Frame, drawn: np.ndarray) -> None:
        """Write a drawn frame (H, W, 3), uint8 BGR."""
        if self._video and self._video[0] != frame.name:
            self.close()
        path = self._paths[frame.name]
        if frame.index is None:
            is_done, encoded = cv2.imencode('.jpg', drawn, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
            if not is_done:
                raise ValueError(f'an image of {drawn.shape[1]}x{drawn.shape[0]} pixels is no JPEG')
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded.tobytes())
            self.images += 1
            return
        if self._video is None:
            self._video = (frame.name, VideoWriter(path))
        self._video[1].write(drawn, frame.time or 0.0)

    def close(self) -> None:
        """Finish the current video, if any."""
        if self._video:
            writer, self._video = self._video[1], None
            writer.close()
            self.videos += 1


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
        is_camera, suffix = source.kind == 'camera', '.jpg' if source.kind == 'image' else '.mp4'
        path = Path(source.name.replace(' ', '_') if is_camera else os.path.relpath(source.name, top))
        place = path.with_suffix(suffix)
        while str(place).lower() in used:
            path = place = path.with_name(path.name + suffix)
        used.add(str(place).lower())
        names[source.name] = place
    return names
