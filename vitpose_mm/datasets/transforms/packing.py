"""Pack training samples."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import TRANSFORMS

PLACEHOLDER_IMAGE = np.zeros((1, 1, 1), np.uint8)


@TRANSFORMS.register_module()
class PackCroppedInputs(PackPoseInputs):
    """MMPose's `PackPoseInputs` for training on one uint8 image; it splits the three channels with OpenCV.

    Args:
        meta_keys: what to pack as metainfo; by default `device_crop`, and what `PackPoseInputs` packs except
            `raw_ann_info`, which only metrics read: MMEngine copies the metainfo of each sample several times.
        pack_transformed: whether to pack `transformed_keypoints`.
    """

    def __init__(self, meta_keys: Sequence[str] | None = None, pack_transformed: bool = False):
        super().__init__(pack_transformed=pack_transformed)
        default = [key for key in (*vars(self)['meta_keys'], 'device_crop') if key != 'raw_ann_info']
        self.meta_keys: Sequence[str] = default if meta_keys is None else meta_keys

    def transform(self, results: dict) -> dict[str, Any]:
        """Return `inputs` (3, H, W) and `data_samples`."""
        image = results['img']
        packed = super().transform(dict(results, img=PLACEHOLDER_IMAGE))
        channels = np.empty((3, *image.shape[:2]), np.uint8)
        cv2.split(image, list(channels))
        packed['inputs'] = torch.from_numpy(channels)
        return packed
