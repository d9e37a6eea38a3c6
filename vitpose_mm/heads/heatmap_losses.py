"""The losses of a head on a batch, or on some samples of it."""

from collections.abc import Sequence

from mmpose.models.heads import HeatmapHead
from mmpose.structures import PoseDataSample
from torch import Tensor

from ..codecs.pck import pck_accuracy
from .batch_targets import ALL, Index, batch_targets


def heatmap_losses(
    head: HeatmapHead,
    heatmaps: Tensor,
    batch_data_samples: Sequence[PoseDataSample],
    train_cfg: dict | None = None,
    features: Tensor | None = None,
    index: Index = ALL,
) -> dict[str, Tensor]:
    """Compute the result of `DecoderHead.loss` from heatmaps (B, K, Hm, Wm) that a head's `forward` returned.

    `features` (B, C, Hp, Wp) are those of the heatmaps. The samples, which may be none, are those of the batch at
    `index`; confidence has the statistics of the whole batch.
    """
    own = heatmaps[index]
    if batch_data_samples:
        targets, weights = batch_targets(head.decoder, batch_data_samples, own.device)
        losses = dict(loss_kpt=head.loss_module(own, targets, weights))
        if (train_cfg or {}).get('compute_acc', True):
            losses['acc_pose'] = pck_accuracy(own.detach(), targets, weights > 0)
    else:  # a sum over no heatmaps, so that every process runs the same backward pass and collectives
        losses = dict(loss_kpt=own.sum())
    for part in (getattr(head, 'confidence', None), getattr(head, 'presence', None)):
        if part is not None:
            assert features is not None
            losses |= part.loss(head.decoder, heatmaps.detach(), features.detach(), batch_data_samples, index)
    return losses
