"""Samples with MMPose's training targets, for tests of heads and estimators."""

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample

CODEC = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)


def pose_sample(keypoints, height=16, width=12, seed=0, **meta):
    """A sample of one person: random heatmaps, all keypoints labeled."""
    sample = PoseDataSample(metainfo=dict(flip_indices=list(range(keypoints)), input_size=(48, 64)) | meta)
    sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
    sample.gt_instance_labels = InstanceData(keypoint_weights=torch.ones(1, keypoints))
    heatmaps = torch.rand(keypoints, height, width, generator=torch.Generator().manual_seed(seed))
    sample.gt_fields = PixelData(heatmaps=heatmaps)
    return sample
