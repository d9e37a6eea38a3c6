"""A heatmap loss that moves the maximum: cross-entropy over positions, next to the mean squared error."""

import torch.nn.functional as F
from mmpose.models.losses import KeypointMSELoss
from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class HeatmapCrossEntropyLoss(nn.Module):
    """Cross-entropy between the position distributions of labels and heatmaps, plus MMPose's mean squared error.

    The distribution of a heatmap is its softmax over all cells, at one temperature for labels and heatmaps, so both
    terms have their minimum where heatmap and label are equal, and the network remains an ordinary one: its heatmaps
    have their maximum of 1 at the keypoint. Almost all cells of a label are 0; the squared error alone can therefore
    stay on a plateau of flat heatmaps for hundreds of steps, where the cross-entropy has a gradient.

    Args:
        mse_weight: weight >= 0 of the mean squared error.
        scale: the inverse temperature > 0; with 10, 97% of a label's distribution lie at its Gaussian.
        loss_weight: weight > 0 of the sum.

    Raises:
        ValueError: a weight or the scale is out of range.
    """

    def __init__(self, mse_weight: float = 100.0, scale: float = 10.0, loss_weight: float = 1.0):
        super().__init__()
        if not (mse_weight >= 0 and scale > 0 and loss_weight > 0):
            raise ValueError(
                f'HeatmapCrossEntropyLoss: mse_weight={mse_weight}, scale={scale}, loss_weight={loss_weight}: '
                'expected mse_weight >= 0, and the others > 0'
            )
        self.scale, self.loss_weight = scale, loss_weight
        self.mse = KeypointMSELoss(use_target_weight=True, loss_weight=mse_weight)

    def forward(self, heatmaps: Tensor, targets: Tensor, keypoint_weights: Tensor) -> Tensor:
        """Return the loss (scalar) of heatmaps and targets (B, K, Hm, Wm), and keypoint weights (B, K)."""
        positions = (self.scale * targets).flatten(2).softmax(-1)
        log_positions = (self.scale * heatmaps).flatten(2).log_softmax(-1)
        divergence = F.kl_div(log_positions, positions, reduction='none').sum(-1)  # cross-entropy minus its minimum
        return self.loss_weight * (
            (divergence * keypoint_weights).mean() + self.mse(heatmaps, targets, keypoint_weights)
        )
