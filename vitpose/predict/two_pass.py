"""Find one person per image with the pose model itself, where there is no detector."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .models.exported import ExportedModel
    from .models.torch_model import PoseModel

MIN_SCORE = 0.3  # of a keypoint that the box goes around
MIN_KEYPOINTS = 3  # below, the whole image remains the box
MARGIN = 0.1  # on each side, as a share of the extent of the keypoints


class TwoPass:
    """Boxes of one person per image: around the keypoints that the model finds in the whole image.

    It is a detector for `PosePredictor`: with it, the model runs once on the whole image and once on the person. The
    model must have seen whole images in its training, and a person much smaller than the image is not found.
    """

    batch_size = 8
    score_threshold = MIN_SCORE

    def __init__(self, model: 'PoseModel | ExportedModel'):
        from .predictor import PosePredictor

        self._predictor = PosePredictor(model)

    def __call__(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images (H, W, 3) uint8 BGR -> for each boxes (1, 4) x1 y1 x2 y2 in image pixels, scores (1,)."""
        return [
            self._box(image.shape, poses.keypoints[0], poses.scores[0])
            for image, poses in zip(images, self._predictor(list(images)), strict=True)
        ]

    def _box(self, shape: tuple[int, ...], keypoints: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = np.float32(shape[1::-1])
        sure = keypoints[scores >= MIN_SCORE]
        box, score = np.float32([[0, 0, *size]]), scores.mean(keepdims=True)
        if len(sure) >= MIN_KEYPOINTS:
            top_left, bottom_right = sure.min(0), sure.max(0)
            margin = MARGIN * (bottom_right - top_left)
            corners = np.clip([top_left - margin, bottom_right + margin], 0, size)
            if (corners[1] > corners[0]).all():
                box, score = np.float32(corners.reshape(1, 4)), scores[scores >= MIN_SCORE].mean(keepdims=True)
        return box, score.astype(np.float32)
