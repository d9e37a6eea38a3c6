"""Loss and accuracy of heatmaps that a head has computed."""

from collections.abc import Sequence

import torch
from mmpose.models.heads import HeatmapHead
from mmpose.structures import PoseDataSample
from torch import Tensor

from ..networks.heatmaps.peaks import maxima
from .batch_targets import ALL, Index, batch_targets


def heatmap_losses(
    head: HeatmapHead,
    heatmaps: Tensor,
    batch_data_samples: Sequence[PoseDataSample],
    train_cfg: dict | None,
    features: Tensor,
    index: Index = ALL,
) -> dict[str, Tensor]:
    """Compute the result of `DecoderHead.loss` from heatmaps (B, K, Hm, Wm) that a head's `forward` returned.

    `features` (B, C, Hp, Wp) are those of the heatmaps. The samples, which may be none, are those of the batch at
    `index`; confidence has the statistics of the whole batch. ValueError if the targets have another shape.
    """
    own = heatmaps[index]
    if batch_data_samples:
        targets, weights = batch_targets(head.decoder, batch_data_samples, own.device)
        if own.shape != targets.shape:  # one heatmap would be compared with those of all keypoints
            raise ValueError(
                f'the head has heatmaps of (keypoints, h, w) {tuple(own.shape[1:])}, the targets '
                f"{tuple(targets.shape[1:])}: check the head's out_channels, feature_stride (that of the backbone) and "
                "heatmap_stride, the codec's input_size and heatmap_size, and the size of the crops"
            )
        losses = dict(loss_kpt=head.loss_module(own, targets, weights))
        if (train_cfg or {}).get('compute_acc', True):
            losses['acc_pose'] = pck_accuracy(own.detach(), targets, weights > 0)
    else:  # a sum over no heatmaps, so that every process runs the same backward pass and collectives
        losses = dict(loss_kpt=own.sum())
    for part in (getattr(head, 'confidence', None), getattr(head, 'presence', None)):
        if part is not None:
            losses |= part.loss(head.decoder, heatmaps.detach(), features.detach(), batch_data_samples, index)
    return losses


def pck_accuracy(heatmaps: Tensor, targets: Tensor, labeled: Tensor) -> Tensor:
    """Average over keypoints the share of samples whose distance is below 0.05.

    In the distance, x is divided by the width of the heatmap and y by its height, as in MMPose's `pose_pck_accuracy`
    with `normalize=[[Wm, Hm]]`. By default, and in the log of MMPose's heads, MMPose
    divides x by the height and y by the width, so its `acc_pose` differs from ours unless heatmaps are square.

    `heatmaps` and `targets` are (B, K, Hm, Wm); of `labeled` (B, K), bool, only the True ones count. The result is a
    scalar on their device; 0 if no keypoint is labeled.
    """
    height, width = heatmaps.shape[2:]
    x, y = (maxima(heatmaps)[0] - maxima(targets)[0]).unbind(-1)
    hits = (torch.hypot(x / width, y / height) < 0.05) & labeled
    count = labeled.sum(0)
    shares = hits.sum(0) / count.clamp(min=1)
    return (shares * (count > 0)).sum() / (count > 0).sum().clamp(min=1)
