"""A pose estimator as one graph of tensors: crops or images in, keypoints and scores or heatmaps out."""

from typing import Any

import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.models.utils.tta import flip_heatmaps
from torch import Tensor, nn

from ..codecs import BatchMSRAHeatmap, BatchUDPHeatmap
from ..codecs.heatmaps import BatchDecoding


class PoseGraph(nn.Module):
    """What is exported.

    Args:
        model: MMPose's top-down estimator with a heatmap head, in evaluation mode.
        flip_indices: index of each keypoint's mirror image; None for no flip test.
        decode: take uint8 crops and return keypoints, instead of normalised images and heatmaps.

    Raises:
        ValueError: `decode`, and there is no tensor code for the head's codec.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, flip_indices: list[int] | None = None, decode: bool = True):
        super().__init__()
        self.model, self.flip_indices = model, flip_indices
        self.codec = batch_codec(model.head.decoder) if decode else None
        self.indices: list[int] | None = model.test_cfg.get('output_keypoint_indices')
        steps = model.data_preprocessor
        self.rgb, self.normalises = steps._channel_conversion, steps._enable_normalize
        if self.normalises:
            self.register_buffer('mean', steps.mean.clone(), persistent=False)
            self.register_buffer('std', steps.std.clone(), persistent=False)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Crops (B, h, w, 3) uint8 BGR -> keypoints (B, K, 2) in MMPose's input pixels, scores (B, K) and heatmaps.

        Without `decode`: images (B, 3, h, w), normalised -> heatmaps (B, C, Hm, Wm).
        """
        if self.codec is None:
            return (tested_heatmaps(self.model, inputs, self.flip_indices),)
        heatmaps = tested_heatmaps(self.model, self.normalised(inputs), self.flip_indices)
        keypoints, scores = self.codec.locate(heatmaps)
        if self.indices is not None:
            keypoints, scores = keypoints[:, self.indices], scores[:, self.indices]
        return keypoints, scores, heatmaps

    def normalised(self, crops: Tensor) -> Tensor:
        """Crops (B, h, w, 3) uint8 BGR -> the network's input (B, 3, h, w) in fp32."""
        images = crops.permute(0, 3, 1, 2).float()
        images = images.flip(1) if self.rgb else images
        return (images - self.mean) / self.std if self.normalises else images


def tested_heatmaps(model: Any, images: Tensor, flip_indices: list[int] | None) -> Tensor:
    """Heatmaps (B, C, Hm, Wm) of images (B, 3, h, w), in fp32.

    Args:
        model: MMPose's top-down estimator with a heatmap head.
        images: normalised.
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


def batch_codec(codec: Any) -> BatchDecoding:
    """The codec with tensor code that decodes as a codec of MMPose does.

    Raises:
        ValueError: there is none.
    """
    if isinstance(codec, BatchDecoding):
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
