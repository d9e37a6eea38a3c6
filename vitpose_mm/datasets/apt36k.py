"""APT-36K: animals in video clips, with AP-10K's 17 keypoints."""

import re
from pathlib import Path

from mmpose.datasets import AP10KDataset
from mmpose.registry import DATASETS

# The file names are those of the machine where the clips were labelled: D:\...\29wolf\v3c2\frame7.jpg
DRIVE_PATH = re.compile(r'[A-Za-z]:[\\/].*')


@DATASETS.register_module()
class APT36KDataset(AP10KDataset):
    """APT-36K ("APT-36K: A Large-scale Benchmark for Animal Pose Estimation and Tracking", 2022).

    Keypoints, their order, weights and OKS sigmas are AP-10K's; the ``dataset_name`` is 'apt36k'.
    The file is COCO's layout with three differences, which are read here: an image's name is an
    absolute Windows path, of which species, clip and frame count, so ``data_prefix`` is the folder
    of the species; a crowd is marked ``is_crowd``; images and annotations have a ``video_id``, so
    that a split can keep a clip together. The data set is published as one file without a split.
    Names without a drive, as in files that others have split, are taken as they are.

    Args: those of MMPose's ``AP10KDataset``.
    """

    METAINFO: dict = dict(from_file=str(Path(__file__).with_name('apt36k_keypoints.py')))

    def load_data_list(self) -> list[dict]:
        """Read the annotations, with images looked for below ``data_prefix``."""
        data_list = super().load_data_list()
        for info in data_list:
            info['img_path'] = DRIVE_PATH.sub(species_clip_frame, info['img_path'])
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """MMPose's record of an instance, with the file's own mark of a crowd."""
        info = super().parse_data_info(raw_data_info)
        if info is not None:
            info['iscrowd'] = raw_data_info['raw_ann_info'].get('is_crowd', info['iscrowd'])
        return info


def species_clip_frame(path: re.Match) -> str:
    r"""The last three parts of a Windows path, as 29wolf/v3c2/frame7.jpg of D:\a\29wolf\v3c2\frame7.jpg."""
    return '/'.join(re.split(r'[\\/]', path[0])[-3:])
