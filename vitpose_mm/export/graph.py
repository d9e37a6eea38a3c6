"""A pose network as graphs of tensors: crops or images in, keypoints and scores or heatmaps out."""

from torch import Tensor, nn

from ..networks.codecs import HeatmapCodec
from ..networks.pose_network import HeatmapNetwork


class HeatmapGraph(nn.Module):
    """From images, or from crops, to heatmaps.

    Args:
        network: in evaluation mode.
        flip_indices: index of each keypoint's mirror image; None for no flip test.
        crops: take uint8 crops and normalize them with `mean` and `std`, see `HeatmapNetwork`.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, network: HeatmapNetwork, flip_indices: list[int] | None = None, crops: bool = True):
        super().__init__()
        self.network, self.flip_indices, self.crops, self.rgb = network, flip_indices, crops, network.rgb
        self.register_buffer('mean', None if network.mean is None else network.mean.clone(), persistent=False)
        self.register_buffer('std', None if network.std is None else network.std.clone(), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Crops (B, h, w, 3) uint8 BGR, or normalized images (B, 3, h, w) -> heatmaps (B, C, Hm, Wm)."""
        return self.network.test(self.normalized(inputs) if self.crops else inputs, self.flip_indices)

    def normalized(self, crops: Tensor) -> Tensor:
        """Crops (B, h, w, 3) uint8 BGR -> the network's input (B, 3, h, w) in fp32."""
        images = crops.permute(0, 3, 1, 2).float()
        images = images.flip(1) if self.rgb else images
        return images if self.mean is None or self.std is None else (images - self.mean) / self.std


class DecodingGraph(nn.Module):
    """From heatmaps of a codec to the keypoints with these indices; None for all."""

    def __init__(self, codec: HeatmapCodec, indices: list[int] | None = None):
        super().__init__()
        self.codec, self.indices = codec, indices

    def forward(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Heatmaps (B, C, Hm, Wm) -> keypoints (B, K, 2) in MMPose's input pixels and scores (B, K)."""
        keypoints, scores = self.codec.locate(heatmaps)
        return (keypoints, scores) if self.indices is None else (keypoints[:, self.indices], scores[:, self.indices])


class PoseGraph(nn.Module):
    """From crops to keypoints, and the heatmaps between."""

    def __init__(self, network: HeatmapGraph, decoding: DecodingGraph):
        super().__init__()
        self.network, self.decoding = network, decoding

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Crops (B, h, w, 3) uint8 BGR -> keypoints (B, K, 2), scores (B, K) and heatmaps (B, C, Hm, Wm)."""
        heatmaps = self.network(crops)
        return *self.decoding(heatmaps), heatmaps
