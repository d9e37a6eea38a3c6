"""MMPose's heatmap codecs, encoding and decoding a whole batch as tensors on the heatmaps' device."""

from abc import abstractmethod

import cv2
import numpy as np
import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor

from .gaussians import Targets, cut_off_gaussians, whole_gaussians
from .peaks import Peaks, dark_peaks, msra_peaks, to_input_px, udp_peaks


class BatchCodec(BaseKeypointCodec):
    """What both codecs share: the same tensor code for one heatmap array, a batch and an exported model."""

    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    scale_factor: np.ndarray
    blur_kernel_size: int

    @property
    @abstractmethod
    def px_per_cell(self) -> tuple[float, float]:
        """Size of a heatmap cell in input pixels (x, y)."""

    @abstractmethod
    def peaks(self, heatmaps: Tensor, sparse: bool = False) -> Peaks:
        """Heatmaps (B, K, Hm, Wm) in fp32 -> cells (B, K, 2) and scores (B, K); `sparse` as in `peaks.udp_peaks`."""

    @abstractmethod
    def gaussians(self, cells: Tensor, visible: Tensor) -> Targets:
        """Keypoints (B, K, 2) in cells and visibilities (B, K) -> heatmaps (B, K, Hm, Wm) and weights (B, K)."""

    def targets(self, keypoints: Tensor, visible: Tensor) -> Targets:
        """Encode training heatmaps and weights of a batch, equal to those of MMPose's `encode` up to rounding.

        Args:
            keypoints: (B, K, 2) in input pixels.
            visible: (B, K), visible from 0.5.

        Returns:
            Heatmaps (B, K, Hm, Wm) and weights (B, K) in fp32, on the keypoints' device.
        """
        with torch.no_grad(), torch.autocast(keypoints.device.type, enabled=False):
            scale_x, scale_y = self.scale_factor.tolist()
            x, y = keypoints.float().unbind(-1)
            return self.gaussians(torch.stack((x / scale_x, y / scale_y), -1), visible.float())

    def locate(self, heatmaps: Tensor, sparse: bool = False) -> Peaks:
        """Return tensors of keypoints and scores; can be traced and exported unless `sparse`.

        Args:
            heatmaps: (B, K, Hm, Wm); computed in fp32.
            sparse: see `peaks.udp_peaks`.

        Returns:
            Keypoints (B, K, 2) in input pixels and scores (B, K).

        Raises:
            ValueError: the heatmaps do not have the codec's size.
        """
        width, height = self.heatmap_size
        if heatmaps.ndim != 4 or tuple(heatmaps.shape[2:]) != (height, width):
            raise ValueError(
                f'heatmaps {tuple(heatmaps.shape)}: expected (B, K, {height}, {width}), because the codec has '
                f'heatmap_size={width, height}: use the codec of the training'
            )
        cells, scores = self.peaks(heatmaps.float(), sparse)
        return to_input_px(cells, self.px_per_cell), scores

    def batch_decode(self, batch_encoded: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Decode a batch on its device, with one copy to the host.

        Args:
            batch_encoded: heatmaps (B, K, Hm, Wm) in any floating-point type.

        Returns:
            For each sample keypoints (1, K, 2) in input pixels and scores (1, K), in fp32.

        Raises:
            ValueError: the heatmaps do not have the codec's size.
        """
        device = batch_encoded.device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            keypoints, scores = self.locate(batch_encoded, sparse=device == 'cpu')
            found = torch.cat((keypoints, scores[..., None]), -1).cpu().numpy()[:, None]
        return list(found[..., :2].copy()), list(found[..., 2].copy())

    def decode(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decode heatmaps (K, Hm, Wm) -> keypoints (1, K, 2) in input pixels and scores (1, K).

        Raises:
            ValueError: the heatmaps do not have the codec's size.
        """
        keypoints, scores = self.batch_decode(torch.from_numpy(np.ascontiguousarray(encoded))[None])
        return keypoints[0], scores[0]

    @property
    def kernel(self) -> tuple[float, ...]:
        """Weights of MMPose's blur along one axis."""
        return tuple(cv2.getGaussianKernel(self.blur_kernel_size, 0).ravel().tolist())


@KEYPOINT_CODECS.register_module()
class BatchUDPHeatmap(BatchCodec, UDPHeatmap):
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
    ):
        if heatmap_type != 'gaussian':
            raise ValueError(
                f"heatmap_type={heatmap_type!r}: BatchUDPHeatmap decodes 'gaussian' heatmaps only; MMPose's UDPHeatmap "
                "also decodes 'combined' ones"
            )
        if border not in ('mmpose', 'normalized'):
            raise ValueError(f"border={border!r}: expected 'mmpose' or 'normalized'")
        check_kernel_size(blur_kernel_size)
        super().__init__(input_size, heatmap_size, heatmap_type, sigma, radius_factor, blur_kernel_size)
        self.border = border

    @property
    def px_per_cell(self) -> tuple[float, float]:
        """Size of a heatmap cell in input pixels (x, y)."""
        (width, height), (columns, rows) = self.input_size, self.heatmap_size
        return width / (columns - 1), height / (rows - 1)

    def peaks(self, heatmaps: Tensor, sparse: bool = False) -> Peaks:
        """Heatmaps (B, K, Hm, Wm) in fp32 -> cells (B, K, 2) and scores (B, K)."""
        return udp_peaks(heatmaps, self.kernel, self.sigma if self.border == 'normalized' else None, sparse)

    def gaussians(self, cells: Tensor, visible: Tensor) -> Targets:
        """Keypoints (B, K, 2) in cells and visibilities (B, K) -> heatmaps (B, K, Hm, Wm) and weights (B, K)."""
        return cut_off_gaussians(cells, visible, self.heatmap_size, self.sigma, between_cells=True)


@KEYPOINT_CODECS.register_module()
class BatchMSRAHeatmap(BatchCodec, MSRAHeatmap):
    """MMPose's `MSRAHeatmap`, the classic codec, decoding a batch at a time.

    Args:
        input_size: (w, h) in pixels.
        heatmap_size: (w, h) in cells.
        sigma: standard deviation of the Gaussian in cells.
        unbiased: DARK's encoding and decoding, instead of rounding targets to whole cells and moving maxima by a
            quarter of a cell.
        blur_kernel_size: odd size of DARK's blur in cells.

    Raises:
        ValueError: a kernel size that is not odd and >= 3.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        heatmap_size: tuple[int, int],
        sigma: float,
        unbiased: bool = False,
        blur_kernel_size: int = 11,
    ):
        check_kernel_size(blur_kernel_size)
        super().__init__(input_size, heatmap_size, sigma, unbiased, blur_kernel_size)

    @property
    def px_per_cell(self) -> tuple[float, float]:
        """Size of a heatmap cell in input pixels (x, y)."""
        (width, height), (columns, rows) = self.input_size, self.heatmap_size
        return width / columns, height / rows

    def peaks(self, heatmaps: Tensor, sparse: bool = False) -> Peaks:
        """Heatmaps (B, K, Hm, Wm) in fp32 -> cells (B, K, 2) and scores (B, K)."""
        return dark_peaks(heatmaps, self.kernel, sparse) if self.unbiased else msra_peaks(heatmaps)

    def gaussians(self, cells: Tensor, visible: Tensor) -> Targets:
        """Keypoints (B, K, 2) in cells and visibilities (B, K) -> heatmaps (B, K, Hm, Wm) and weights (B, K)."""
        if self.unbiased:
            return whole_gaussians(cells, visible, self.heatmap_size, self.sigma)
        return cut_off_gaussians(cells, visible, self.heatmap_size, self.sigma, between_cells=False)


def check_kernel_size(size: int) -> None:
    """Raise a ValueError unless the size of a blur kernel is odd and at least 3, as MMPose's blur requires."""
    if size < 3 or size % 2 != 1:
        raise ValueError(f'blur_kernel_size={size}: expected an odd number of cells >= 3')
