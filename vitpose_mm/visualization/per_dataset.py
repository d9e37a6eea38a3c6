"""Each sample is drawn with the skeleton of its own dataset."""

from typing import Any

import numpy as np
from mmpose.registry import VISUALIZERS
from mmpose.structures import PoseDataSample
from mmpose.visualization import PoseLocalVisualizer


@VISUALIZERS.register_module()
class PerDatasetVisualizer(PoseLocalVisualizer):
    """MMPose's visualiser for samples of a ``CombinedPoseDataset``.

    MMPose's draws all samples with one skeleton and one list of keypoint colours, the combined
    dataset's, and fails on a sample with another number of keypoints. Here both are looked up in the
    ``members`` of the combined dataset's metainfo. A colour given by name, as ``BadCaseAnalysisHook``
    does, holds for all keypoints of all datasets.

    Args: those of MMPose's ``PoseLocalVisualizer``.
    """

    kpt_color: Any
    link_color: Any

    def add_datasample(
        self, name: str, image: np.ndarray, data_sample: PoseDataSample, *args: Any, **kwargs: Any
    ) -> np.ndarray:
        """Draw a sample, as MMPose, with what its ``dataset_name`` stands for."""
        members = (self.dataset_meta or {}).get('members', {})
        meta = members.get(data_sample.get('dataset_name'))
        if meta is not None:
            self.skeleton = meta['skeleton_links']
            if not isinstance(self.kpt_color, str):
                self.kpt_color = meta['keypoint_colors']
            if not isinstance(self.link_color, str):
                self.link_color = meta['skeleton_link_colors']
        return super().add_datasample(name, image, data_sample, *args, **kwargs)
