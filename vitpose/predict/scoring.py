"""The score of a person, and which of several results for one person is kept, as MMPose's CocoMetric computes them.

MMPose's functions are not called, because exported files are predicted without MMPose; a test compares with them.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError

MODES = dict(score_mode=('bbox_keypoint', 'bbox', 'keypoint', 'bbox_rle'), nms_mode=('oks_nms', 'soft_oks_nms', 'none'))
MAX_SOFT = 20  # people per image that soft NMS keeps, as in MMPose


@dataclass(frozen=True)
class Scoring:
    """Options of MMPose's CocoMetric, with its defaults and meanings."""

    score_mode: str = 'bbox_keypoint'
    keypoint_score_thr: float = 0.2
    nms_mode: str = 'oks_nms'
    nms_thr: float = 0.9

    def __post_init__(self) -> None:
        """Raise a ValueError if there is no such mode."""
        for key, modes in MODES.items():
            if (value := getattr(self, key)) not in modes:
                raise InputError(f'test_evaluator.{key}={value!r}: expected one of {", ".join(modes)}')

    def scores(self, box_scores: np.ndarray, keypoint_scores: np.ndarray) -> np.ndarray:
        """Compute the scores of people (N,) from scores of boxes (N,) and keypoints (N, K)."""
        if self.score_mode == 'bbox_keypoint':
            counted = keypoint_scores > self.keypoint_score_thr
            return box_scores * (keypoint_scores * counted).sum(1) / np.maximum(counted.sum(1), 1)
        if self.score_mode == 'bbox_rle':
            return box_scores + keypoint_scores.mean(1) + keypoint_scores.max(1)
        return keypoint_scores.mean(1) if self.score_mode == 'keypoint' else box_scores

    def kept(self, keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
        """Return the sorted indices of the people that non-maximum suppression by OKS keeps in an image.

        `keypoints` are (N, K, 2) in image pixels, `areas` (N,) those of the cropped regions, `sigmas` (K,) of the OKS.
        """
        if self.nms_mode == 'none':
            return np.arange(len(scores))
        soft, order, kept = self.nms_mode == 'soft_oks_nms', scores.argsort()[::-1], list[int]()
        scores = scores[order]
        while len(order) and not (soft and len(kept) == MAX_SOFT):
            first, order, scores = order[0], order[1:], scores[1:]
            kept.append(first)
            squares = ((keypoints[order] - keypoints[first]) ** 2).sum(2) / (2 * sigmas) ** 2
            sizes = (areas[order] + areas[first]) / 2 + np.spacing(1)
            oks = np.exp(-squares / sizes[:, None] / 2).mean(1).astype(np.float32)
            if soft:
                scores = scores * np.exp(-(oks**2) / self.nms_thr)
                rest = scores.argsort()[::-1]
            else:
                rest = np.flatnonzero(oks <= self.nms_thr)
            order, scores = order[rest], scores[rest]
        return np.sort(np.array(kept, np.int64))
