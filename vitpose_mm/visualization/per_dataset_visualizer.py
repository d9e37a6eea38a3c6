"""A visualizer that draws each sample with the skeleton of its dataset."""

from typing import Any

import numpy as np
from mmpose.registry import VISUALIZERS
from mmpose.structures import PoseDataSample
from mmpose.visualization import PoseLocalVisualizer


@VISUALIZERS.register_module()
class PerDatasetVisualizer(PoseLocalVisualizer):
    """Draws samples of a `CombinedPoseDataset` with the skeleton and colors of each sample's dataset.

    MMPose's `PoseLocalVisualizer` draws all samples with the skeleton and keypoint colors of the combined dataset
    and fails if a sample has another number of keypoints. This one looks both up in the `members` of the combined
    dataset's metainfo. A single color, as `BadCaseAnalysisHook` sets it, applies to all keypoints of all datasets. The
    arguments are MMPose's.
    """

    kpt_color: Any
    link_color: Any

    def add_datasample(
        self, name: str, image: np.ndarray, data_sample: PoseDataSample, *args: Any, **kwargs: Any
    ) -> np.ndarray:
        """Draw a sample as MMPose does, with the skeleton and colors of its `dataset_name`."""
        members = (self.dataset_meta or {}).get('members', {})
        meta = members.get(data_sample.get('dataset_name'))
        if meta is not None:
            self.skeleton = meta['skeleton_links']
            if not isinstance(self.kpt_color, str):
                self.kpt_color = meta['keypoint_colors']
            if not isinstance(self.link_color, str):
                self.link_color = meta['skeleton_link_colors']
        return super().add_datasample(name, image, data_sample, *args, **kwargs)
