"""Presence as a part of a head, trained beside its decoder."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmpose.structures import PoseDataSample
from torch import Tensor

from ..checkpoints.validation import check_filled
from ..networks.presence import Presence
from .batch_targets import ALL, Index, keypoint_labels


class PresenceHead(Presence):
    """Learn which keypoints are inside the crop, and which of them are visible.

    A labeled keypoint outside the crop is nowhere. One without label may be anywhere: it does not count. Nor does one
    without visibility flag count for the visibility. No gradient of it reaches the decoder or the backbone; they learn
    by the head's own loss that the heatmap of a keypoint that is nowhere is empty.
    """

    filled: bool | None = None  # see `check_filled`

    def loss(
        self, codec: Any, heatmaps: Tensor, features: Tensor, samples: Sequence[PoseDataSample], index: Index = ALL
    ) -> dict[str, Tensor]:
        """Compute `loss_presence` of the samples, which are those of the batch at `index`; see `ConfidenceHead.loss`.

        It is the cross-entropy of whether a keypoint is at a cell or nowhere, plus that of whether it is visible.
        """
        check_filled(self)
        with torch.autocast(heatmaps.device.type, enabled=False):
            inside, visible = self.logits(heatmaps[index], features[index])
            if not samples:  # no loss, but gradients of zero
                return dict(loss_presence=inside.sum() + visible.sum())
            labels = keypoint_labels(samples, heatmaps.device)
            is_inside, is_labeled = codec.is_inside(labels[..., :2]), labels[..., 2] >= 0.5
            is_known = is_labeled & is_inside & (labels[..., 4] >= 0)
            losses = [
                (F.binary_cross_entropy_with_logits(logits, truth.float(), reduction='none') * counts).mean()
                for logits, truth, counts in ((inside, is_inside, is_labeled), (visible, labels[..., 4] > 0, is_known))
            ]
        return dict(loss_presence=torch.stack(losses).sum())
