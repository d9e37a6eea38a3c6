"""A pose estimator as graphs of tensors: crops or images in, keypoints and scores or heatmaps out."""

from typing import Any

import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.models.utils.tta import flip_heatmaps
from torch import Tensor, nn

from ..codecs import BatchMSRAHeatmap, BatchUDPHeatmap
from ..codecs.heatmaps import BatchCodec


class HeatmapGraph(nn.Module):
    """From images, or from crops, to heatmaps.

    Args:
        model: MMPose's top-down estimator with a heatmap head, in evaluation mode.
        flip_indices: index of each keypoint's mirror image; None for no flip test.
        crops: take uint8 crops and normalize them.

    Attributes:
        rgb: whether the model takes RGB rather than BGR.
        mean: (3, 1, 1), per channel that is subtracted, in 0 to 255; None without normalization.
        std: (3, 1, 1), per channel that is divided by; None without normalization.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, model: Any, flip_indices: list[int] | None = None, crops: bool = True):
        super().__init__()
        self.model, self.flip_indices, self.crops = model, flip_indices, crops
        steps = model.data_preprocessor
        self.rgb = bool(steps._channel_conversion)
        self.register_buffer('mean', steps.mean.clone() if steps._enable_normalize else None, persistent=False)
        self.register_buffer('std', steps.std.clone() if steps._enable_normalize else None, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Crops (B, h, w, 3) uint8 BGR, or normalized images (B, 3, h, w) -> heatmaps (B, C, Hm, Wm)."""
        return tested_heatmaps(self.model, self.normalized(inputs) if self.crops else inputs, self.flip_indices)

    def normalized(self, crops: Tensor) -> Tensor:
        """Crops (B, h, w, 3) uint8 BGR -> the network's input (B, 3, h, w) in fp32."""
        images = crops.permute(0, 3, 1, 2).float()
        images = images.flip(1) if self.rgb else images
        return images if self.mean is None or self.std is None else (images - self.mean) / self.std


class DecodingGraph(nn.Module):
    """From heatmaps to keypoints, as the model's codec.

    Args:
        model: MMPose's top-down estimator with a heatmap head.

    Raises:
        ValueError: there is no tensor code for its codec.
    """

    def __init__(self, model: Any):
        super().__init__()
        self.codec = batch_codec(model.head.decoder)
        self.indices: list[int] | None = model.test_cfg.get('output_keypoint_indices')

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


def tested_heatmaps(model: Any, images: Tensor, flip_indices: list[int] | None) -> Tensor:
    """Heatmaps (B, C, Hm, Wm) of images (B, 3, h, w), in fp32.

    Args:
        model: MMPose's top-down estimator with a heatmap head.
        images: normalized.
        flip_indices: index of each keypoint's mirror image, to average with the mirrored images in one batch of twice
            the size, as the model's test_cfg says; None for no flip test.
    """
    if flip_indices is None:
        return model.head(model.extract_feat(images)).float()
    plain, mirrored = (
        model.head(model.extract_feat(torch.cat((images, images.flip(-1))))).float().unflatten(0, (2, -1)).unbind()
    )
    cfg = model.test_cfg
    mirrored = flip_heatmaps(
        mirrored,
        flip_indices=flip_indices,
        flip_mode=cfg.get('flip_mode', 'heatmap'),
        shift_heatmap=cfg.get('shift_heatmap', False),
    )
    return (plain + mirrored) * 0.5


def batch_codec(codec: Any) -> BatchCodec:
    """The codec with tensor code that decodes as a codec of MMPose does.

    Raises:
        ValueError: there is none.
    """
    if isinstance(codec, BatchCodec):
        return codec
    keys = ('input_size', 'heatmap_size', 'sigma', 'blur_kernel_size')
    shared: dict[str, Any] = {key: getattr(codec, key, None) for key in keys}
    if type(codec) is UDPHeatmap and codec.heatmap_type == 'gaussian':
        return BatchUDPHeatmap(**shared)
    if type(codec) is MSRAHeatmap:
        return BatchMSRAHeatmap(**shared, unbiased=codec.unbiased)
    raise ValueError(
        f'{type(codec).__name__} cannot be exported: expected UDPHeatmap with Gaussian heatmaps, MSRAHeatmap, or ours. '
        'With --no-decode the file returns heatmaps'
    )
