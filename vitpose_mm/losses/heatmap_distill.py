"""The loss of output distillation."""

import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class HeatmapDistillLoss(nn.Module):
    """Mean squared error between the student's and the teacher's heatmaps.

    Source: ViTPose section 3.4, which does not say how this loss is weighted against the loss on the labels. Here
    both have weight 1 by default, and all keypoints count, labeled or not.

    Args:
        loss_weight: weight > 0; use the `loss_weight` of the head's loss for equal weights.
        use_target_weight: whether to weight the keypoints as in the loss on the labels, which ignores unlabeled
            ones.

    Raises:
        ValueError: loss_weight is not > 0.
    """

    def __init__(self, loss_weight: float = 1.0, use_target_weight: bool = False):
        super().__init__()
        if not loss_weight > 0:
            raise ValueError(
                f'HeatmapDistillLoss: loss_weight={loss_weight} must be > 0; to train without a teacher, '
                "use the student's own config"
            )
        self.loss_weight, self.use_target_weight = loss_weight, use_target_weight

    def forward(self, heatmaps: Tensor, teacher_heatmaps: Tensor, keypoint_weights: Tensor) -> Tensor:
        """Return the loss (scalar) of student and teacher heatmaps (B, K, Hm, Wm) and keypoint weights (B, K)."""
        squares = F.mse_loss(heatmaps, teacher_heatmaps, reduction='none')
        if self.use_target_weight:
            squares = squares * keypoint_weights[..., None, None]
        return self.loss_weight * squares.mean()
