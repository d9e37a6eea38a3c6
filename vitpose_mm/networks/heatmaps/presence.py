"""Whether keypoints are inside the crop, and visible, from heatmaps and features; pure torch, traceable."""

import math
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from .confidence import head_weights

PREFIX = 'presence.'  # of its weights among those of a head
SCALE = 10.0  # the inverse temperature of `HeatmapCrossEntropyLoss`


class Presence(nn.Module):
    """Predict from heatmaps and feature maps with C channels whether K keypoints are inside the crop, and visible.

    A keypoint is at one of the cells of its heatmap, or nowhere. The logit of a cell is `SCALE` times its value, and
    the features of the whole crop give that of nowhere. P(in crop) is the softmax over all of these, without nowhere.
    The features where the heatmap expects the keypoint tell whether it is visible.

    Source: ProbPose (arXiv 2412.02254) predicts both with branches on the features; ours also reads the heatmap.
    """

    def __init__(self, in_channels: int, num_keypoints: int):
        super().__init__()
        self.nowhere = nn.Linear(in_channels, num_keypoints)
        self.visible = nn.Conv2d(in_channels, num_keypoints, 1)

    def forward(self, heatmaps: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probabilities (B, K) that keypoints are inside the crop, and that they are there and visible.

        Heatmaps are (B, K, Hm, Wm), and features (B, C, Hp, Wp); Hm is a multiple of Hp.
        """
        inside, visible = (logit.sigmoid() for logit in self.logits(heatmaps, features))
        return inside, inside * visible

    def logits(self, heatmaps: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the logits (B, K) of being inside the crop, and of being visible if inside; inputs as `forward`."""
        height, width = heatmaps.shape[2:]
        cells, features = SCALE * heatmaps.float().flatten(2), features.float()
        somewhere = cells.logsumexp(-1) - math.log(height * width)  # 0 for a flat heatmap
        factor = height // features.shape[2]
        shares = F.avg_pool2d(cells.softmax(-1).unflatten(-1, (height, width)), factor) * factor**2
        return somewhere - self.nowhere(features.mean((-2, -1))), (self.visible(features) * shares).sum((-2, -1))


def read_presence(weights: Mapping[str, Tensor], dataset: str | None = None) -> Presence | None:
    """Build the presence that a checkpoint holds; None if there is none, ValueError if it is damaged.

    `dataset` chooses the head if there are several.
    """
    if not (part_weights := head_weights(weights, PREFIX, dataset)):
        return None
    try:
        module = Presence(part_weights['nowhere.weight'].shape[1], len(part_weights['nowhere.weight']))
        module.load_state_dict(part_weights)
    except (KeyError, IndexError, RuntimeError) as problem:
        raise ValueError(f'its presence is damaged: {str(problem).splitlines()[0]}') from problem
    return module.eval()
