"""MMPose's datasets and APT-36K with the checks of `DatasetChecks`: `CheckedCocoDataset` and so on."""

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
from .dataset_checks import DatasetChecks

READERS = (
    CocoDataset,
    AicDataset,
    MpiiDataset,
    CrowdPoseDataset,
    OCHumanDataset,
    AP10KDataset,
    APT36KDataset,
    CocoWholeBodyDataset,
    HumanArtDataset,
)

for reader in READERS:  # attributes of this module, from which a data worker that is not forked imports them
    text = f'`{reader.__name__}` with the checks of `DatasetChecks`.'
    made = type(f'Checked{reader.__name__}', (DatasetChecks, reader), dict(__module__=__name__, __doc__=text))
    globals()[made.__name__] = DATASETS.register_module()(made)


@DATASETS.register_module()
class CheckedCocoWholeBodyHandDataset(DatasetChecks, CocoWholeBodyHandDataset):
    """MMPose's `CocoWholeBodyHandDataset` with the checks of `DatasetChecks`.

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
                        'Use 0, 0, 0 for an unlabeled keypoint.'
                    )

    def _where(self, instance: dict) -> str:
        return super()._where(instance).replace(': annotation ', ': hand ', 1)
