"""MMPose's datasets and APT-36K with the checks of ``DatasetChecks``."""

import numpy as np
from mmpose.datasets import (
    AicDataset,
    AP10KDataset,
    CocoDataset,
    CocoWholeBodyDataset,
    CocoWholeBodyHandDataset,
    CrowdPoseDataset,
    HumanArtDataset,
    MpiiDataset,
    OCHumanDataset,
)
from mmpose.registry import DATASETS

from .apt36k import APT36KDataset
from .checks import DatasetChecks


@DATASETS.register_module()
class CheckedCocoDataset(DatasetChecks, CocoDataset):
    """MMPose's ``CocoDataset`` (COCO) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedAicDataset(DatasetChecks, AicDataset):
    """MMPose's ``AicDataset`` (AI Challenger) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedMpiiDataset(DatasetChecks, MpiiDataset):
    """MMPose's ``MpiiDataset`` (MPII) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedCrowdPoseDataset(DatasetChecks, CrowdPoseDataset):
    """MMPose's ``CrowdPoseDataset`` (CrowdPose) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedOCHumanDataset(DatasetChecks, OCHumanDataset):
    """MMPose's ``OCHumanDataset`` (OCHuman) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedAP10KDataset(DatasetChecks, AP10KDataset):
    """MMPose's ``AP10KDataset`` (AP-10K) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedAPT36KDataset(DatasetChecks, APT36KDataset):
    """``APT36KDataset`` (APT-36K) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedCocoWholeBodyDataset(DatasetChecks, CocoWholeBodyDataset):
    """MMPose's ``CocoWholeBodyDataset`` (COCO-WholeBody) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedHumanArtDataset(DatasetChecks, HumanArtDataset):
    """MMPose's ``HumanArtDataset`` (Human-Art) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedCocoWholeBodyHandDataset(DatasetChecks, CocoWholeBodyHandDataset):
    """MMPose's ``CocoWholeBodyHandDataset`` with the checks of ``DatasetChecks``.

    An instance is one hand; its id is a running number, not the annotation's id.
    """

    def _check_keypoints(self, instances: list[dict]) -> None:
        """Check the raw annotations, because MMPose drops some hands with a NaN before they become instances.

        MMPose drops a hand unless the max of its raw values is positive, and Python's max of a list that starts
        with NaN is NaN.
        """
        for annotation in self.coco.anns.values():
            for side in ('left', 'right'):
                values = np.array(annotation[f'{side}hand_kpts'], np.float64)
                bad = np.flatnonzero(~np.isfinite(values))
                if annotation[f'{side}hand_valid'] and bad.size:
                    raise ValueError(
                        f'{self.ann_file}: annotation {annotation["id"]} in image {annotation["image_id"]}: '
                        f'keypoint {bad[0] // 3} of the {side} hand is not finite: {values[bad[0]]}. '
                        'Use 0, 0, 0 for an unlabelled keypoint.'
                    )

    def _where(self, instance: dict) -> str:
        return super()._where(instance).replace(': annotation ', ': hand ', 1)
