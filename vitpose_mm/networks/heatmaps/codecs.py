"""Codecs that decode heatmaps of a whole batch as tensors on their device, without OpenMMLab."""

from abc import ABC, abstractmethod
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from .peaks import Peaks, dark_peaks, msra_peaks, to_input_px, udp_peaks
from .spread import peak_covariances


class HeatmapCodec(ABC):
    """What both codecs share: the same tensor code for one heatmap array, a batch and an exported model.

    Args:
        input_size: (w, h) in pixels.
        heatmap_size: (w, h) in cells.
        sigma: standard deviation of the Gaussian in cells.
        blur_kernel_size: odd size of the blur in cells.
    """

    config_type: str  # the registered codec's name
    cells_less: int  # the input is this many cells narrower and lower than the heatmap

    def __init__(
        self, input_size: tuple[int, int], heatmap_size: tuple[int, int], sigma: float = 2.0, blur_kernel_size: int = 11
    ):
        check_kernel_size(blur_kernel_size)
        self.input_size, self.heatmap_size, self.sigma = input_size, heatmap_size, sigma
        self.blur_kernel_size = blur_kernel_size

    @property
    def px_per_cell(self) -> tuple[float, float]:
        """Size of a heatmap cell in input pixels (x, y)."""
        (width, height), (columns, rows) = self.input_size, self.heatmap_size
        return width / (columns - self.cells_less), height / (rows - self.cells_less)

    @abstractmethod
    def peaks(self, heatmaps: Tensor, sparse: bool = False) -> Peaks:
        """Find cells (B, K, 2), scores (B, K) of heatmaps (B, K, Hm, Wm) in fp32; `sparse` as in `peaks.udp_peaks`."""

    def locate(self, heatmaps: Tensor, sparse: bool = False) -> Peaks:
        """Decode heatmaps (B, K, Hm, Wm) in fp32 into keypoints (B, K, 2) in input pixels and scores (B, K).

        Can be traced and exported unless `sparse`, see `peaks.udp_peaks`. ValueError for heatmaps of another size.
        """
        width, height = self.heatmap_size
        if heatmaps.ndim != 4 or tuple(heatmaps.shape[2:]) != (height, width):
            raise ValueError(
                f'heatmaps {tuple(heatmaps.shape)}: expected (B, K, {height}, {width}), because the codec has '
                f'heatmap_size={width, height}: use the codec of the training'
            )
        cells, scores = self.peaks(heatmaps.float(), sparse)
        return to_input_px(cells, self.px_per_cell), scores

    @property
    def reach(self) -> int:
        """Cells from a peak to the border of its window: three standard deviations of the Gaussian."""
        return round(3 * self.sigma)

    def cells(self, keypoints: Tensor) -> Tensor:
        """Convert keypoints (B, K, 2) from input pixels to heatmap cells, the inverse of `to_input_px`."""
        return keypoints / keypoints.new_tensor(self.px_per_cell)

    def covariances(self, heatmaps: Tensor, keypoints: Tensor) -> Tensor:
        """Compute the spread of heatmaps (B, K, Hm, Wm) around keypoints (B, K, 2) in input pixels.

        Returns covariances (B, K, 2, 2) in input pixels squared, see `spread.peak_covariances`.
        """
        keypoints = keypoints.float()
        scale = keypoints.new_tensor(self.px_per_cell)
        spread = peak_covariances(heatmaps.float(), self.cells(keypoints), self.reach)
        return spread * scale[:, None] * scale

    def batch_decode(self, batch_encoded: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Decode heatmaps (B, K, Hm, Wm) of any floating-point type on their device, with one copy to the host.

        Returns keypoints (1, K, 2) in input pixels and scores (1, K) of each sample, in fp32. ValueError as `locate`.
        """
        device = batch_encoded.device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            keypoints, scores = self.locate(batch_encoded, sparse=device == 'cpu')
            found = torch.cat((keypoints, scores[..., None]), -1).cpu().numpy()[:, None]
        return list(found[..., :2].copy()), list(found[..., 2].copy())

    def decode(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decode heatmaps (K, Hm, Wm) -> keypoints (1, K, 2) in input pixels and scores (1, K), as `batch_decode`."""
        keypoints, scores = self.batch_decode(torch.from_numpy(np.ascontiguousarray(encoded))[None])
        return keypoints[0], scores[0]

    @property
    def kernel(self) -> tuple[float, ...]:
        """Weights of MMPose's blur along one axis."""
        return tuple(cv2.getGaussianKernel(self.blur_kernel_size, 0).ravel().tolist())


class UDPCodec(HeatmapCodec):
    """Decoding of `BatchUDPHeatmap`."""

    config_type, cells_less = 'BatchUDPHeatmap', 1

    def __init__(self, *sizes: Any, border: str = 'mmpose', **options: Any):
        HeatmapCodec.__init__(self, *sizes, **options)
        self.border = border

    def peaks(self, heatmaps: Tensor, sparse: bool = False) -> Peaks:
        """Find cells (B, K, 2) and scores (B, K) of heatmaps (B, K, Hm, Wm) in fp32."""
        return udp_peaks(heatmaps, self.kernel, self.sigma if self.border == 'normalized' else None, sparse)


class MSRACodec(HeatmapCodec):
    """Decoding of `BatchMSRAHeatmap`."""

    config_type, cells_less = 'BatchMSRAHeatmap', 0

    def __init__(self, *sizes: Any, unbiased: bool = False, **options: Any):
        HeatmapCodec.__init__(self, *sizes, **options)
        self.unbiased = unbiased

    def peaks(self, heatmaps: Tensor, sparse: bool = False) -> Peaks:
        """Find cells (B, K, 2) and scores (B, K) of heatmaps (B, K, Hm, Wm) in fp32."""
        return dark_peaks(heatmaps, self.kernel, sparse) if self.unbiased else msra_peaks(heatmaps)


def build_codec(options: dict[str, Any], input_size: tuple[int, int], heatmap_size: tuple[int, int]) -> HeatmapCodec:
    """Build the codec of a config, ours or MMPose's, for these sizes (w, h). ValueError if there is none."""
    others = ('input_size', 'heatmap_size', 'radius_factor', 'presence')  # the last two only matter in training
    options = {key: value for key, value in options.items() if key not in others}
    kind = options.pop('type').rpartition('.')[2]
    codec = {'UDPHeatmap': UDPCodec, 'MSRAHeatmap': MSRACodec}.get(kind.removeprefix('Batch'))
    if codec is None or options.pop('heatmap_type', 'gaussian') != 'gaussian':
        raise ValueError(f'{kind}: expected UDPHeatmap with Gaussian heatmaps, MSRAHeatmap, or ours')
    return codec(input_size, heatmap_size, **options)


def check_kernel_size(size: int) -> None:
    """Raise a ValueError unless the size of a blur kernel is odd and at least 3, as MMPose's blur requires."""
    if size < 3 or size % 2 != 1:
        raise ValueError(f'blur_kernel_size={size}: expected an odd number of cells >= 3')
