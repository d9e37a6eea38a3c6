"""Find the one object of an image with the pose model itself: in the whole image first, then around its keypoints."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..batch_runner import filled_size
from ..poses import Frame, Poses

if TYPE_CHECKING:
    from ..models.exported import ExportedModel
    from ..models.graph_model import GraphModel

FOLLOWED_FRAMES = 30  # of a video, from one search for the object to the next
MIN_KEPT_SCORE = 0.75  # of the mean score at the last search, below which the object is searched again
MIN_KEYPOINT_SCORE = 0.3
MIN_KEYPOINTS = 3  # with that score, or both of two; with fewer, the whole image remains the box
MARGIN = 0.1  # around the keypoints, as a share of the longer side of their extent


class TwoPassDetector:
    """The box of the one object of an image: the first of two passes, which `PosePredictor` completes.

    `model` is that of a `PosePredictor`, trained with crops of whole images, too.
    """

    batch_size, score_threshold = 16, MIN_KEYPOINT_SCORE

    def __init__(self, model: 'GraphModel | ExportedModel'):
        self.model = model

    def __call__(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return a box (1, 4) x1 y1 x2 y2 in image pixels and its score (1,) per image (H, W, 3) uint8 BGR.

        The score is the mean of the keypoints that are used; 0 if the whole image is the box.
        """
        rule, count = self.model.crop_rule, len(images)
        centers, scales = rule.regions(np.array([(0, 0, *image.shape[1::-1]) for image in images], np.float32))
        has_graphs = getattr(self.model, 'compiled', False) and str(self.model.device) != 'cpu'
        crops = rule.crop_each(images, centers, scales, filled_size(count) if has_graphs else count)
        keypoints, scores = (array[:count] for array in self.model.predict(crops))
        found = []
        for image, points, sure in zip(images, rule.to_image(keypoints, centers, scales), scores, strict=True):
            size = image.shape[1::-1]
            if (box := box_around(points, sure, size)) is None:
                found.append((np.array([(0, 0, *size)], np.float32), np.zeros(1, np.float32)))
            else:
                found.append((box[None], sure[sure > MIN_KEYPOINT_SCORE].mean(keepdims=True).astype(np.float32)))
        return found


def box_around(keypoints: np.ndarray, scores: np.ndarray, size: tuple[int, ...]) -> np.ndarray | None:
    """Return the box (4,) around those of the keypoints (K, 2) with high scores (K,), in an image of (w, h).

    None if there are fewer than `MIN_KEYPOINTS`, or all are at one point.
    """
    is_used = scores > MIN_KEYPOINT_SCORE
    if is_used.sum() < min(MIN_KEYPOINTS, max(len(scores), 2)):
        return None
    low, high = keypoints[is_used].min(0), keypoints[is_used].max(0)
    if (low == high).all():
        return None
    extra = MARGIN * (high - low).max()
    return np.clip(np.concatenate((low - extra, high + extra)), 0, size * 2).astype(np.float32)


def follow(frame: Frame, last: Poses, searched: float | None = None) -> Frame:
    """Return a frame with the boxes around the poses of the frame before, unless it has boxes, or no image.

    `searched` is the mean score of the one object's keypoints when it was found in the whole image: when the scores
    fall far below, the frame stays without boxes, so that it is searched again.
    """
    if frame.boxes is not None or frame.image is None:
        return frame
    size = frame.image.shape[1::-1]
    boxes = [box_around(*person, size) for person in zip(last.keypoints, last.scores, strict=True)]
    kept = [i for i, box in enumerate(boxes) if box is not None]
    if searched is not None and (not kept or last.scores.mean() < MIN_KEPT_SCORE * searched):
        return frame
    following = np.array([boxes[i] for i in kept], np.float32).reshape(-1, 4)
    return replace(frame, boxes=following, box_scores=last.box_scores[kept])
