"""What goes through prediction: frames in, poses out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from ..errors import InputError, VitPoseError, one_line
from .drawing import DrawStyle, draw_poses
from .optional_imports import import_optional

MAX_SHOWN_SIDE = 1280  # pixels of a drawing in a notebook
EXTRAS = ('covariance', 'expected_oks', 'presence', 'visibility')  # fields of `Poses` that only some predictions have


@dataclass
class Frame:
    """One image, or one frame of a video.

    Attributes:
        name: path or URL of the image or video as given, or path as found below a folder; 'camera 0' for a camera.
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
        scores: (N, K) float32, what `score_kind` says.
        boxes: (N, 4) float32, x1 y1 x2 y2 in image pixels, as predicted from.
        box_scores: (N,) float32; 1 by default.
        rows: (N,) int64, index of each box among those that were passed or detected; -1 if `smooth` added it.
        track_ids: (N,) int64, or None without tracking.
        dropped: one line per box that was not predicted, with the reason.
        metainfo: the model's, as MMPose parses it: names, skeleton and colors; None for poses from elsewhere.
        image: (H, W, 3) uint8 BGR, only kept by `PosePredictor.__call__`.
        covariance: (N, K, 2, 2) float32 of x and y in image pixels squared, the spread of the heatmap around its peak;
            None unless it was asked for.
        expected_oks: (N,) float32, the object keypoint similarity that a calibrated model expects; None without one.
        presence: (N, K) float32, the probability that a keypoint is inside the crop; None unless the model was trained
            with presence, or calibrated.
        visibility: (N, K) float32, the probability that it is inside and not occluded; None without presence.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    box_scores: np.ndarray
    rows: np.ndarray
    track_ids: np.ndarray | None = None
    dropped: list[str] = field(default_factory=list)
    metainfo: Mapping[str, Any] | None = field(default=None, repr=False)
    image: np.ndarray | None = field(default=None, repr=False)
    covariance: np.ndarray | None = None
    expected_oks: np.ndarray | None = None
    presence: np.ndarray | None = None
    visibility: np.ndarray | None = None

    @property
    def names(self) -> list[str] | None:
        """The names of the keypoints, if the model is known."""
        return keypoint_names(self.metainfo) if self.metainfo else None

    @property
    def score_kind(self) -> str:
        """'peak': scores are the heatmaps' maxima; 'probability': that a keypoint is right, see docs/scores.md."""
        return (self.metainfo or {}).get('score_kind', 'peak')

    def to_dict(self) -> dict[str, Any]:
        """Return lists for JSON, as in predictions.jsonl; numbers that are not finite are None.

        For each person: boxes [x1, y1, x2, y2], scores of the boxes, keypoints [[x, y], ...], all in image pixels,
        keypoint_scores, and track_ids: None without tracking, -1 for a person without track. dropped: one reason per
        box that was not predicted. keypoint_names: see `names`; score_kind; and the `EXTRAS` that there are.
        """
        return {
            'boxes': rounded(self.boxes),
            'scores': rounded(self.box_scores, 6),
            'keypoints': rounded(self.keypoints),
            'keypoint_scores': rounded(self.scores, 6),
            'track_ids': None if self.track_ids is None else self.track_ids.tolist(),
            'dropped': self.dropped,
            'keypoint_names': self.names,
            'score_kind': self.score_kind,
            **{name: rounded(values) for name in EXTRAS if (values := getattr(self, name)) is not None},
        }

    def plot(self, image: np.ndarray | None = None, style: DrawStyle | None = None) -> np.ndarray:
        """Draw the poses into a copy of an image (H, W, 3) uint8 BGR, by default the one they were predicted from."""
        image = self.image if image is None else image
        if image is None or self.metainfo is None:
            expected = 'poses of PosePredictor(image), or an image and the metainfo of the model'
            raise InputError(f'plot: no {"image" if image is None else "metainfo"}: expected {expected}')
        return draw_poses(image, self, self.metainfo, style)

    def to_supervision(self) -> Any:
        """Return `supervision.KeyPoints`. ValueError if the package supervision is not installed.

        Its data are boxes, box_scores, track_ids and the `EXTRAS` that there are. All people have the class 0.
        """
        kind = import_optional('supervision', 'Poses.to_supervision').KeyPoints
        has_new_name = 'keypoint_confidence' in kind.__dataclass_fields__  # since version 0.29
        scores = {'keypoint_confidence' if has_new_name else 'confidence': self.scores}
        data = {'boxes': self.boxes, 'box_scores': self.box_scores}
        data |= {name: values for name in ('track_ids', *EXTRAS) if (values := getattr(self, name)) is not None}
        return kind(xy=self.keypoints, class_id=np.zeros(len(self.boxes), int), data=data, **scores)

    def _repr_png_(self) -> bytes | None:
        """Return the drawing as PNG, for notebooks, if the image is known."""
        if self.image is None or self.metainfo is None:
            return None
        drawn = self.plot()
        scale = min(MAX_SHOWN_SIDE / max(drawn.shape[:2]), 1)
        drawn = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return cv2.imencode('.png', drawn)[1].tobytes()


def keypoint_names(metainfo: Mapping[str, Any]) -> list[str]:
    """Return the names of a model's keypoints, in their order."""
    return [name for _, name in sorted(metainfo['keypoint_id2name'].items(), key=lambda item: int(item[0]))]


def score_name(metainfo: Mapping[str, Any]) -> str:
    """Say what the scores of a model are, for people who read or choose them."""
    return 'probability to be right' if metainfo.get('score_kind') == 'probability' else 'keypoint score'


def failed(frame: Frame, problem: Exception, step: str = '') -> Frame:
    """Return the frame without image, and with an exception as its error; `step` says what was done with it."""
    reason = str(getattr(problem, 'strerror', None) or one_line(problem)).removeprefix(f'{frame.name}: ')[:300]
    kind = [] if isinstance(problem, VitPoseError | OSError) else [type(problem).__name__]
    text = ': '.join((str(frame.name), *filter(None, [step]), *kind, reason))
    return replace(frame, image=None, error=' '.join(text.split()))


def rounded(values: Any, digits: int = 4) -> Any:
    """Round an array or a number to lists or a number for JSON; None for each number that is not finite."""
    numbers = np.asarray(values, np.float64).round(digits)
    return np.where(np.isfinite(numbers), numbers, np.array(None)).tolist()
