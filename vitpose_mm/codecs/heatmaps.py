"""MMPose's heatmap codecs, encoding and decoding a whole batch as tensors on the heatmaps' device."""

from typing import Any

import numpy as np
import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor

from ..networks.heatmaps.codecs import HeatmapCodec, MSRACodec, UDPCodec, check_kernel_size
from .gaussians import Targets, cut_off_gaussians, whole_gaussians


class BatchCodec(HeatmapCodec, BaseKeypointCodec):
    """What both codecs share: encoding a batch as tensors."""

    scale_factor: np.ndarray
    presence: bool

    def gaussians(self, cells: Tensor, visible: Tensor) -> Targets:
        """Draw keypoints (B, K, 2) in cells, with visibilities (B, K): heatmaps (B, K, Hm, Wm) and weights (B, K)."""
        is_udp = isinstance(self, UDPHeatmap)
        return cut_off_gaussians(cells, visible, self.heatmap_size, self.sigma, between_cells=is_udp)

    def targets(self, keypoints: Tensor, visible: Tensor) -> Targets:
        """Encode training heatmaps and weights of a batch, equal to those of MMPose's `encode` up to rounding.

        Keypoints (B, K, 2) are in input pixels, those with `visible` (B, K) from 0.5 are labeled. The heatmaps
        (B, K, Hm, Wm) and weights (B, K) are in fp32, on the keypoints' device.
        """
        with torch.no_grad(), torch.autocast(keypoints.device.type, enabled=False):
            scale_x, scale_y = self.scale_factor.tolist()
            x, y = keypoints.float().unbind(-1)
            heatmaps, weights = self.gaussians(torch.stack((x / scale_x, y / scale_y), -1), visible.float())
            if not self.presence:
                return heatmaps, weights
            return heatmaps * self.is_inside(keypoints)[..., None, None], visible.float()

    def is_inside(self, keypoints: Tensor) -> Tensor:
        """Return whether keypoints (B, K, 2) in input pixels are inside the crop -> (B, K)."""
        return ((keypoints >= 0) & (keypoints < keypoints.new_tensor(self.input_size))).all(-1)


@KEYPOINT_CODECS.register_module()
class BatchUDPHeatmap(UDPCodec, BatchCodec, UDPHeatmap):
    """MMPose's `UDPHeatmap` for Gaussian heatmaps, decoding a batch at a time.

    Input pixels are MMPose's: decoded coordinates are input_size / (input_size - 1) times the encoded ones, which
    MMPose's transform back to the image expects.

    Args:
        input_size: (w, h) in pixels.
        heatmap_size: (w, h) in cells.
        heatmap_type: 'gaussian'.
        sigma: standard deviation of the Gaussian in cells.
        radius_factor: not used by Gaussian heatmaps.
        blur_kernel_size: odd size of the blur in cells.
        border: 'mmpose' decodes as MMPose, with a bias near the border; 'normalized' corrects it (docs/decoding.md).
        presence: whether labels outside the crop train empty heatmaps; if so, also set it in the head.

    Raises:
        ValueError: another heatmap type or border, or a kernel size that is not odd and >= 3.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        heatmap_size: tuple[int, int],
        heatmap_type: str = 'gaussian',
        sigma: float = 2.0,
        radius_factor: float = 0.0546875,
        blur_kernel_size: int = 11,
        border: str = 'mmpose',
        presence: bool = False,
    ):
        if heatmap_type != 'gaussian':
            raise ValueError(
                f"heatmap_type={heatmap_type!r}: BatchUDPHeatmap decodes 'gaussian' heatmaps only; MMPose's UDPHeatmap "
                "also decodes 'combined' ones"
            )
        if border not in ('mmpose', 'normalized'):
            raise ValueError(f"border={border!r}: expected 'mmpose' or 'normalized'")
        check_kernel_size(blur_kernel_size)
        UDPHeatmap.__init__(self, input_size, heatmap_size, heatmap_type, sigma, radius_factor, blur_kernel_size)
        self.border, self.presence = border, presence


@KEYPOINT_CODECS.register_module()
class BatchMSRAHeatmap(MSRACodec, BatchCodec, MSRAHeatmap):
    """MMPose's `MSRAHeatmap`, the classic codec, decoding a batch at a time.

    `unbiased` encodes and decodes as DARK, instead of rounding targets to whole cells and moving maxima by a quarter of
    a cell. `BatchUDPHeatmap` explains the other arguments, and the error for the kernel size, here of DARK's blur.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        heatmap_size: tuple[int, int],
        sigma: float,
        unbiased: bool = False,
        blur_kernel_size: int = 11,
        presence: bool = False,
    ):
        check_kernel_size(blur_kernel_size)
        self.presence = presence
        MSRAHeatmap.__init__(self, input_size, heatmap_size, sigma, unbiased, blur_kernel_size)

    def gaussians(self, cells: Tensor, visible: Tensor) -> Targets:
        """Draw keypoints (B, K, 2) in cells, with visibilities (B, K): heatmaps (B, K, Hm, Wm) and weights (B, K)."""
        if self.unbiased:
            return whole_gaussians(cells, visible, self.heatmap_size, self.sigma)
        return super().gaussians(cells, visible)


def batch_codec(codec: Any) -> HeatmapCodec:
    """Return the codec with tensor code that decodes as a codec of MMPose does. ValueError if there is none."""
    if isinstance(codec, HeatmapCodec):
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
