"""Presence as a part of a head, trained beside its decoder, and what it and calibrations add to predictions."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from ..checkpoints.validation import check_filled
from ..codecs.heatmaps import batch_codec
from ..logs import log
from ..networks.heatmaps.confidence import judge_keypoints, read_confidence
from ..networks.heatmaps.presence import Presence
from .batch_targets import ALL, Index, keypoint_labels

FIELDS = dict(scores='keypoint_scores', presence='keypoints_presence', visibility='keypoints_visibility')


class PresenceHead(Presence):
    """Learn which keypoints are inside the crop, and which of them are visible.

    A labeled keypoint outside the crop is nowhere. An unlabeled one may be anywhere, so it does not count; one without
    a visibility flag does not count for the visibility. The gradients reach neither the decoder nor the backbone: these
    learn by the head's own loss that the heatmap of a keypoint that is nowhere is empty.
    """

    filled: bool | None = None  # see `check_filled`

    def loss(
        self, codec: Any, heatmaps: Tensor, features: Tensor, samples: Sequence[PoseDataSample], index: Index = ALL
    ) -> dict[str, Tensor]:
        """Compute `loss_presence` of the samples at `index` of a batch; see `ConfidenceHead.loss`.

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


def add_judgments(
    people: Sequence[InstanceData], decoder: Any, heatmaps: Tensor, features: Tensor, *judges: nn.Module | None
) -> None:
    """Set the fields that `judge_keypoints` computes for B people; `judges` are a calibration and a `Presence`."""
    with torch.no_grad(), torch.autocast(heatmaps.device.type, enabled=False):
        codec = batch_codec(decoder)
        judged = judge_keypoints(codec, heatmaps, features, codec.locate(heatmaps), *judges)
    for name, values in judged.items():
        for person, value in zip(people, values.cpu().numpy()[:, None], strict=True):
            person.set_field(value, FIELDS.get(name, name))


def use_calibrations(model: Any, weights: dict[str, Tensor]) -> None:
    """Let a model predict the probabilities of a calibrated checkpoint. ValueError if it was for other weights."""
    head: Any = getattr(model, 'head', None)
    for name, each in getattr(head, 'heads', {'': head}).items():
        if hasattr(each, 'calibration'):
            if (module := read_confidence(weights, name)) is not None:
                module.to(each.final_layer.weight.device).requires_grad_(False)
                log(f'{name or "the checkpoint"} is calibrated: its scores are probabilities')
            vars(each)['calibration'] = module  # which keeps it out of the state dict
