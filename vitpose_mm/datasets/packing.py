"""Packing of training samples, and stacking of their images to a batch."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.registry import FUNCTIONS
from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import TRANSFORMS
from torch import Tensor

NOTHING = np.zeros((1, 1, 1), np.uint8)


@TRANSFORMS.register_module()
class PackCrop(PackPoseInputs):
    """MMPose's `PackPoseInputs` for training on one uint8 image of three channels, whose channels OpenCV separates.

    Args:
        meta_keys: what to pack as metainfo; by default what `PackPoseInputs` packs without `raw_ann_info`, which only
            metrics read. MMEngine copies the metainfo of each sample several times.
        pack_transformed: whether to pack `transformed_keypoints`.
    """

    def __init__(self, meta_keys: Sequence[str] | None = None, pack_transformed: bool = False):
        super().__init__(pack_transformed=pack_transformed)
        default = [key for key in vars(self)['meta_keys'] if key != 'raw_ann_info']
        self.meta_keys: Sequence[str] = default if meta_keys is None else meta_keys

    def transform(self, results: dict) -> dict[str, Any]:
        """Return `inputs` (3, H, W) and `data_samples`."""
        image = results['img']
        packed = super().transform(dict(results, img=NOTHING))
        channels = np.empty((3, *image.shape[:2]), np.uint8)
        cv2.split(image, list(channels))
        packed['inputs'] = torch.from_numpy(channels)
        return packed


@FUNCTIONS.register_module()
def stack_inputs(samples: Sequence[dict]) -> dict[str, Any]:
    """Collate samples into one tensor of images, which a worker sends at once; for `collate_fn` of a loader.

    Args:
        samples: B packed samples.

    Returns:
        `inputs` (B, 3, H, W), or a list of tensors if the sizes differ, and the list of `data_samples`.
    """
    images: list[Tensor] = [sample['inputs'] for sample in samples]
    same = len({image.shape for image in images}) == 1
    return dict(
        inputs=torch.stack(images) if same else images, data_samples=[sample['data_samples'] for sample in samples]
    )
