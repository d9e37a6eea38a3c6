"""The OKS of people that also scores keypoints outside their crop."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmpose.registry import METRICS

from vitpose_base.coco_fields import PERSON_AREA_SHARE


def extended_oks(
    similarities: np.ndarray,
    is_inside: np.ndarray,
    presence: np.ndarray,
    is_labeled: np.ndarray | None = None,
    threshold: float = 0.5,
) -> np.ndarray:
    """Compute the extended OKS of people (N,), a mean over their labeled keypoints; all arguments are (N, K).

    A keypoint is predicted as inside the crop if its `presence` is at least `threshold`. It counts its similarity with
    the label, as in the OKS, if it is inside and predicted so, 1 if it is neither, and else 0. By default all keypoints
    are labeled. A person without labels has NaN.
    """
    is_predicted = presence >= threshold
    scores = np.where(is_inside & is_predicted, similarities, is_inside == is_predicted)
    counts = np.ones_like(scores) if is_labeled is None else is_labeled
    with np.errstate(invalid='ignore'):
        return (scores * counts).sum(1) / counts.sum(1)


@METRICS.register_module()
class ExtendedOKS(BaseMetric):
    """The mean extended OKS of the boxes of a top-down test, and for comparison the mean OKS.

    It reads labels and areas as COCO's evaluation does: from `raw_ann_info`, or else from the instances of the dataset,
    whose area is then 0.53 of the box. Without `keypoints_presence`, all keypoints are predicted as inside. People
    without labeled keypoints do not count. ValueError if nobody counts, or the dataset has no sigmas.

    Args:
        threshold: presence in [0, 1] from which a keypoint is predicted as inside.
        **options: `collect_device` and `prefix` of MMEngine's metrics.
    """

    default_prefix = 'presence'

    def __init__(self, threshold: float = 0.5, **options: Any):
        super().__init__(**options)
        self.threshold = threshold

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Add extended OKS, OKS and the number of labeled keypoints outside the crop of each person."""
        sigmas = np.asarray((self.dataset_meta or {}).get('sigmas', ()), np.float64)
        for sample in data_samples:
            labels, area = _read_labels(sample)
            if len(sigmas) != len(labels):
                raise ValueError(f'ExtendedOKS: the dataset has {len(labels)} keypoints and {len(sigmas)} sigmas')
            found = sample['pred_instances']
            squares = ((found['keypoints'][0, :, :2] - labels[:, :2]) ** 2).sum(1)
            similar = np.exp(-squares / (2 * sigmas) ** 2 / (area + np.spacing(1)) / 2)[None]
            half = np.asarray(sample['input_scale']) / 2
            is_inside = (np.abs(labels[:, :2] - sample['input_center']) <= half).all(1)[None]
            is_labeled = labels[None, :, 2] > 0
            everywhere = np.ones_like(is_inside)
            presence = np.asarray(found['keypoints_presence'] if 'keypoints_presence' in found else everywhere)
            extended = extended_oks(similar, is_inside, presence, is_labeled, self.threshold)
            plain = extended_oks(similar, everywhere, everywhere, is_labeled)
            if is_labeled.any():
                self.results.append((extended[0], plain[0], int((is_labeled & ~is_inside).sum())))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over people."""
        if not results:
            raise ValueError('ExtendedOKS: no person with labeled keypoints')
        extended, plain, outside = np.array(results).T
        return dict(extended_OKS=float(extended.mean()), OKS=float(plain.mean()), keypoints_outside=int(outside.sum()))


def _read_labels(sample: dict) -> tuple[np.ndarray, float]:
    """Return the keypoints (K, 3) of a sample as x and y in image pixels and whether they are labeled, and the area."""
    truth, annotation = sample['gt_instances'], sample.get('raw_ann_info')
    x1, y1, x2, y2 = (float(value) for value in truth['bboxes'][0])
    area = PERSON_AREA_SHARE * (x2 - x1) * (y2 - y1)
    if not isinstance(annotation, dict):
        return np.concatenate((truth['keypoints'][0, :, :2], truth['keypoints_visible'][0, :, None]), 1), area
    return np.array(annotation['keypoints'], np.float64).reshape(-1, 3), float(annotation.get('area') or area)
