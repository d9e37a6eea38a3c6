"""MMPose's datasets, with a clear error or a count where theirs drop or fail without a word."""

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
class CheckedCocoWholeBodyDataset(DatasetChecks, CocoWholeBodyDataset):
    """MMPose's ``CocoWholeBodyDataset`` (COCO-WholeBody) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedHumanArtDataset(DatasetChecks, HumanArtDataset):
    """MMPose's ``HumanArtDataset`` (Human-Art) with the checks of ``DatasetChecks``."""


@DATASETS.register_module()
class CheckedCocoWholeBodyHandDataset(DatasetChecks, CocoWholeBodyHandDataset):
    """MMPose's ``CocoWholeBodyHandDataset`` with the checks of ``DatasetChecks``.

    An instance is one hand: its id is a running number, not the annotation's.
    """

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        """As ``DatasetChecks``, and looks at hands that MMPose leaves out unseen.

        MMPose leaves out a hand whose largest raw value is not positive; python's max of a list
        that begins with NaN is NaN, so such a hand never becomes an instance.
        """
        instances, images = super()._load_annotations()
        for annotation in self.coco.anns.values():
            for side in ('left', 'right'):
                values = annotation[f'{side}hand_kpts']
                if annotation[f'{side}hand_valid'] and not np.isfinite(values).all():
                    first = int(np.flatnonzero(~np.isfinite(values))[0])
                    raise ValueError(
                        f'{self.ann_file}: annotation {annotation["id"]}: keypoint {first // 3} '
                        f'of the {side} hand is not finite: {values[first]}. Mark a keypoint '
                        f'that is not labelled by 0, 0, 0.'
                    )
        return instances, images
