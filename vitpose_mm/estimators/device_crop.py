"""Training crops on the device of the model."""

import numpy as np
import torch
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import MODELS

from ..layers.index import copy_to
from ..layers.warp import warp_affine


@MODELS.register_module()
class DeviceCropPreprocessor(PoseDataPreprocessor):
    """MMPose's `PoseDataPreprocessor` that flips and crops whole images from `DecodeAndCrop(device_crop=True)`.

    Gray levels differ by at most 1 from the pipeline's own crops. Without such images it does what its parent does. A
    batch of both is a ValueError.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Crop `inputs`, B uint8 images (3, H, W), then continue as MMPose."""
        sent = [sample.metainfo.get('device_crop') for sample in data.get('data_samples') or ()]
        if any(sent):
            if not all(sent):
                raise ValueError('a batch has crops and whole images: expected the same device_crop for all datasets')
            size = data['data_samples'][0].metainfo['input_size']
            matrices = copy_to(self.device, torch.from_numpy(np.stack([matrix for matrix, _ in sent])))
            images = [image.to(self.device, non_blocking=True) for image in data['inputs']]
            images = [image.flip(axes) if axes else image for image, (_, axes) in zip(images, sent, strict=True)]
            crops = [warp_affine(image, matrices[i : i + 1], size) for i, image in enumerate(images)]
            data = dict(data, inputs=torch.cat(crops))
        return super().forward(data, training)
