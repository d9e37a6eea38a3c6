"""What goes through prediction: frames in, poses out."""

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import VitPoseError, one_line


@dataclass
class Frame:
    """One image, or one frame of a video.

    Attributes:
        name: path of the image or video as given, or as found below a folder; 'camera 0' for a camera.
        image: (H, W, 3) uint8 BGR in upright orientation; None if it is not read yet, or if there is an `error`.
        index: number of the frame in its video, counted from 0; None for an image.
        time: seconds since the start of the video; None for an image.
        boxes: (N, 4) x1 y1 x2 y2 in image pixels, or None if a detector or the whole image is to be used.
        box_scores: (N,) in [0, 1], or None.
        error: why it has no poses, in one line, or None.
    """

    name: str
    image: np.ndarray | None
    index: int | None = None
    time: float | None = None
    boxes: np.ndarray | None = None
    box_scores: np.ndarray | None = None
    error: str | None = None


@dataclass
class Poses:
    """The people of one frame.

    Attributes:
        keypoints: (N, K, 2) float32, x y in image pixels; pixel centers have integer coordinates.
        scores: (N, K) float32, the heatmaps' maxima.
        boxes: (N, 4) float32, x1 y1 x2 y2 in image pixels, as predicted from.
        box_scores: (N,) float32; 1 by default.
        rows: (N,) int64, index of each box among those that were passed or detected.
        track_ids: (N,) int64, or None without tracking.
        dropped: one line per box that was not predicted, with the reason.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    box_scores: np.ndarray
    rows: np.ndarray
    track_ids: np.ndarray | None = None
    dropped: list[str] = field(default_factory=list)


def failed(frame: Frame, problem: Exception, step: str = '') -> Frame:
    """The frame without image, and with an exception as its error; `step` says what was done with it."""
    reason = str(getattr(problem, 'strerror', None) or one_line(problem)).removeprefix(f'{frame.name}: ')[:300]
    kind = [] if isinstance(problem, VitPoseError | OSError) else [type(problem).__name__]
    text = ': '.join((str(frame.name), *filter(None, [step]), *kind, reason))
    return replace(frame, image=None, error=' '.join(text.split()))
