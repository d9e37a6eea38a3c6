"""What goes through prediction: frames in, poses out."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Frame:
    """One image, or one frame of a video."""

    name: str  # path of the image or video as given or as found below a folder; 'camera 0' for a camera
    image: np.ndarray | None  # (H, W, 3) uint8 BGR, upright; None if it is not read yet or could not be read (`error`)
    index: int | None = None  # of the frame in its video, counted from 0; None for an image
    time: float | None = None  # seconds since the start of the video; None for an image
    boxes: np.ndarray | None = None  # (N, 4) x1 y1 x2 y2 in image pixels; None: use a detector or the whole image
    box_scores: np.ndarray | None = None  # (N,) in [0, 1], or None
    error: str | None = None  # why there is no image, in one line


@dataclass
class Poses:
    """The N people of one frame."""

    keypoints: np.ndarray  # (N, K, 2) float32, x y in image pixels; pixel centers have integer coordinates
    scores: np.ndarray  # (N, K) float32, the heatmaps' maxima
    boxes: np.ndarray  # (N, 4) float32, x1 y1 x2 y2 in image pixels, as predicted from
    box_scores: np.ndarray  # (N,) float32; 1 by default
    rows: np.ndarray  # (N,) int64, index of each box among those that were passed or detected
    track_ids: np.ndarray | None = None  # (N,) int64, or None without tracking
    dropped: list[str] = field(default_factory=list)  # one line per box that was not predicted, with the reason
