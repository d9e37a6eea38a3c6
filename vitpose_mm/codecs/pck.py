"""Share of keypoints whose heatmap maximum is near that of the target, on the heatmaps' device."""

import torch
from torch import Tensor


def pck_accuracy(heatmaps: Tensor, targets: Tensor, labeled: Tensor) -> Tensor:
    """Average over keypoints the share of samples whose distance is below 0.05.

    In the distance, x is divided by the width of the heatmap and y by its height, as in MMPose's `pose_pck_accuracy`
    with `normalize=[[Wm, Hm]]`. By default, and in the log of MMPose's heads, MMPose
    divides x by the height and y by the width, so its `acc_pose` differs from ours unless heatmaps are square.

    `heatmaps` and `targets` are (B, K, Hm, Wm); of `labeled` (B, K), bool, only the True ones count. The result is a
    scalar; 0 if no keypoint is labeled.
    """
    height, width = heatmaps.shape[2:]
    x, y = (_maxima(heatmaps) - _maxima(targets)).unbind(-1)
    hits = (torch.hypot(x / width, y / height) < 0.05) & labeled
    count = labeled.sum(0)
    shares = hits.sum(0) / count.clamp(min=1)
    return (shares * (count > 0)).sum() / (count > 0).sum().clamp(min=1)


def _maxima(heatmaps: Tensor) -> Tensor:
    """Find the maxima (B, K, 2) as (x, y) in fp32; (-1, -1) where no value is positive."""
    width = heatmaps.shape[3]
    scores, index = heatmaps.flatten(2).max(-1)
    cells = torch.stack((index % width, index // width), -1).float()
    return torch.where(scores[..., None] > 0, cells, -1.0)
