"""A whole pose network: normalized images in, heatmaps out, with the flip test."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .decoders import Decoder
from .vit import PlainViT

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet's pixels, RGB


class HeatmapNetwork(nn.Module, ABC):
    """What prediction needs of a network."""

    rgb: bool  # whether it takes RGB rather than BGR
    mean: Tensor | None  # (3, 1, 1), subtracted per channel, in 0 to 255; None without normalization
    std: Tensor | None  # (3, 1, 1), each channel is divided by it; None without normalization
    folded: nn.Module | None = None  # runs instead of the decoder, see `folded.fold`

    @abstractmethod
    def features(self, images: Tensor) -> Any:
        """Extract the feature maps of normalized images (B, 3, h, w), the last one (B, C, Hp, Wp)."""

    @abstractmethod
    def heatmaps(self, features: Any) -> Tensor:
        """Decode feature maps to heatmaps (B, C, Hm, Wm) in fp32."""

    def forward(self, images: Tensor) -> Tensor:
        """Predict heatmaps (B, C, Hm, Wm) of normalized images (B, 3, h, w), in fp32."""
        return self.heatmaps(self.features(images))

    @abstractmethod
    def flip_back(self, heatmaps: Tensor, flip_indices: list[int]) -> Tensor:
        """Flip heatmaps (B, C, Hm, Wm) of mirrored images back; `flip_indices` as in `test_with_features`."""

    def test_with_features(self, images: Tensor, flip_indices: list[int] | None = None) -> tuple[Tensor, Tensor]:
        """Predict as `forward`, averaged with the mirrored images in one batch of twice the size.

        Also returns the last feature maps (B, C, Hp, Wp) of the images, not mirrored. `flip_indices` has the index of
        each keypoint's mirror image; None: no flip test.
        """
        if flip_indices is None:
            features = self.features(images)
            return self.heatmaps(features), features[-1]
        features = self.features(torch.cat((images, images.flip(-1))))
        plain, mirrored = self.heatmaps(features).unflatten(0, (2, -1)).unbind()
        return (plain + self.flip_back(mirrored, flip_indices)) * 0.5, features[-1].unflatten(0, (2, -1))[0]


class PoseNetwork(HeatmapNetwork):
    """A plain ViT and one decoder.

    `shift_heatmap` shifts the heatmaps of mirrored images by a cell, as models without UDP need. `mean`, `std` and
    `rgb` are those of `HeatmapNetwork`; mean and standard deviation have three numbers each.
    """

    def __init__(
        self,
        backbone: PlainViT,
        head: Decoder,
        shift_heatmap: bool = False,
        mean: Sequence[float] | None = MEAN,
        std: Sequence[float] | None = STD,
        rgb: bool = True,
    ):
        super().__init__()
        self.backbone, self.head, self.shift_heatmap, self.rgb = backbone, head, shift_heatmap, rgb
        self.mean, self.std = (None if x is None else torch.tensor(x).float().view(3, 1, 1) for x in (mean, std))

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Extract the feature maps (B, C, Hp, Wp) of normalized images (B, 3, h, w)."""
        return self.backbone(images)

    def heatmaps(self, features: tuple[Tensor, ...]) -> Tensor:
        """Decode feature maps (B, C, Hp, Wp) to heatmaps (B, K, Hm, Wm) in fp32."""
        return (self.folded or self.head)(features[0]).float()

    def flip_back(self, heatmaps: Tensor, flip_indices: list[int]) -> Tensor:
        """Flip heatmaps (B, K, Hm, Wm) of mirrored images back to those of the images."""
        heatmaps = heatmaps.flip(-1)[:, flip_indices]
        if self.shift_heatmap:
            heatmaps[..., 1:] = heatmaps[..., :-1].clone()
        return heatmaps
