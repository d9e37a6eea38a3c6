"""Where drawn images and what else belongs to one frame are written, and JPEG files."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ..inputs.sources import Source
from ..inputs.urls import scheme_of
from ..poses import Frame, Poses

QUALITY = 92  # of JPEG files, 0 to 100
MAX_NAME = 100  # characters of the name of a drawn URL


def write_jpeg(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3), uint8 BGR. ValueError if a side is too long for the format."""
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
    others = [source.name for source in sources if source.kind == 'live' or scheme_of(source.name)]  # no files
    files = [os.path.abspath(source.name) for source in sources if source.name not in others]
    top = os.path.commonpath(map(os.path.dirname, files)) if files else ''
    names: dict[str, Path] = {}
    used: set[str] = set()
    for source in sources:
        suffix = '.jpg' if source.kind == 'image' else '.mp4'
        path = Path(os.path.relpath(source.name, top))
        if source.name in others:
            path = Path(re.sub(r'[^\w-]+', '_', source.name.rpartition('://')[2])[-MAX_NAME:])
        place = path.with_suffix(suffix)
        while str(place).lower() in used:
            path = place = path.with_name(path.name + suffix)
        used.add(str(place).lower())
        names[source.name] = place
    return names


def frame_path(place: Path, index: int | None, ending: str) -> Path:
    """Return where a file of one frame stands: beside that of an image, or in a folder named like the drawn video."""
    path = place.with_suffix('') if index is None else place / f'{place.stem}_{index:012}'
    return path.with_name(path.name + ending)


def write_crops(folder: Path, place: Path, frame: Frame, poses: Poses) -> None:
    """Write the part of each box that is inside the image as a JPEG file, numbered as in the line of the frame."""
    assert frame.image is not None
    corners = np.clip(np.rint(np.nan_to_num(poses.boxes)), 0, frame.image.shape[1::-1] * 2).astype(int).tolist()
    for i, (left, top, right, bottom) in enumerate(corners):
        if left < right and top < bottom:
            path = folder / frame_path(place, frame.index, f'_{i}.jpg')
            write_jpeg(path, frame.image[top:bottom, left:right])
