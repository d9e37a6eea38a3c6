"""The loss of output distillation."""

import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class HeatmapDistillLoss(nn.Module):
    """Mean squared error to a teacher's heatmaps.

    Source: ViTPose section 3.4, which leaves open how the two losses are weighed: equally here, and
    the teacher teaches every keypoint, labelled or not.

    Args:
        loss_weight: factor, above 0; that of the head's own loss for equal weights.
        use_target_weight: weigh the keypoints as the loss to the labels does: a keypoint that is not
            labelled then teaches nothing.

    Raises:
        ValueError: a factor that is not above 0.
    """

    def __init__(self, loss_weight: float = 1.0, use_target_weight: bool = False):
        super().__init__()
        if not loss_weight > 0:
            raise ValueError(
                f'HeatmapDistillLoss: loss_weight={loss_weight} must be above 0; to train without a '
                "teacher, use the student's own config"
            )
        self.loss_weight, self.use_target_weight = loss_weight, use_target_weight

    def forward(self, heatmaps: Tensor, taught: Tensor, keypoint_weights: Tensor) -> Tensor:
        """The student's and the teacher's heatmaps (B, K, Hm, Wm), and weights (B, K) -> a number."""
        squares = F.mse_loss(heatmaps, taught, reduction='none')
        if self.use_target_weight:
            squares = squares * keypoint_weights[..., None, None]
        return self.loss_weight * squares.mean()
