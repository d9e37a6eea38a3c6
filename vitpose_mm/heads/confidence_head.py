"""Calibrated scores as a part of a head, trained beside its decoder."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor

from vitpose_base.coco_fields import PERSON_AREA_SHARE

from ..networks.heatmaps.confidence import MAX_RIGHT_DISTANCE, Confidence, confidence_inputs
from .batch_targets import ALL, Index, keypoint_labels


@MODELS.register_module()
class ConfidenceHead(Confidence):
    """Predict how good the decoder's keypoints are; its gradients reach neither the decoder nor the backbone.

    The training pipeline needs `KeypointTarget`. `vitpose calibrate` trains the same on held-out people, which gives
    better probabilities: on its own training images a model is right more often.

    Args:
        in_channels, num_keypoints: set by the head that has it.
        sigma: that of the keypoint similarity, relative to the person's scale.
        loss_weight: weight of its loss.
        width, dropout: as in `Confidence`.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        sigma: float = 0.07,
        loss_weight: float = 1.0,
        width: int = 32,
        dropout: float = 0.3,
    ):
        super().__init__(in_channels, num_keypoints, width, dropout)
        self.sigma, self.loss_weight = sigma, loss_weight

    def loss(
        self, codec: Any, heatmaps: Tensor, features: Tensor, samples: Sequence[PoseDataSample], index: Index = ALL
    ) -> dict[str, Tensor]:
        """Compute `loss_confidence` of the samples at `index` of a batch; there may be none.

        Its batch norms see the whole batch: detached heatmaps (B, K, Hm, Wm) of `codec`, and features (B, C, Hp, Wp).
        """
        peaks = codec.locate(heatmaps)
        people, keypoints = heatmaps.shape[:2]
        for norm, rows in ((self.person[0], people), (self.keypoint[0], people * keypoints)):
            norm.train(self.training and rows > 1)  # a single row has no variance
        with torch.autocast(heatmaps.device.type, enabled=False):
            inputs = confidence_inputs(codec, heatmaps, features, peaks)
            *scores, presence = (part[index] for part in self.judge(*inputs))
        if not samples:  # no loss, but gradients of zero
            return dict(loss_confidence=torch.stack([*scores, presence]).sum())
        labels = keypoint_labels(samples, heatmaps.device)
        scale = torch.tensor([_scale(sample, codec.input_size[0]) for sample in samples], device=heatmaps.device)
        far = (peaks[0][index] - labels[..., :2]).norm(dim=-1) / scale[:, None]
        similar = (-(far**2) / (2 * (2 * self.sigma) ** 2)).exp()
        is_labeled = labels[..., 2] > 0
        with torch.autocast(heatmaps.device.type, enabled=False):
            losses = [
                (F.binary_cross_entropy(score, truth, reduction='none') * is_labeled).sum() / is_labeled.sum().clamp(1)
                for score, truth in zip(scores, ((far < MAX_RIGHT_DISTANCE).float(), similar), strict=True)
            ]
            is_present = is_labeled & codec.is_inside(labels[..., :2])
            losses.append(F.binary_cross_entropy(presence, is_present.float()))
        return dict(loss_confidence=self.loss_weight * torch.stack(losses).sum())


def _scale(sample: PoseDataSample, width: int) -> float:
    """Return the square root of a person's area, in input pixels."""
    instance = sample.gt_instances
    x1, y1, x2, y2 = (float(value) for value in instance.bboxes[0])
    return float(PERSON_AREA_SHARE * (x2 - x1) * (y2 - y1)) ** 0.5 * width / float(instance.bbox_scales[0][0])
