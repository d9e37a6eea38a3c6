"""APT-36K: animals in video clips, with the 17 keypoints of AP-10K."""

import re
from pathlib import Path

from mmpose.datasets import AP10KDataset
from mmpose.registry import DATASETS

# The annotations hold absolute paths from the annotators' machine: D:\...\29wolf\v3c2\frame7.jpg, which gives
# 29wolf/v3c2/frame7.jpg
WINDOWS_PATH = re.compile(r'[A-Za-z]:[\\/].*')


@DATASETS.register_module()
class APT36KDataset(AP10KDataset):
    """APT-36K ("APT-36K: A Large-scale Benchmark for Animal Pose Estimation and Tracking", 2022).

    Arguments, keypoints, their order, joint weights and OKS sigmas are those of AP-10K; `dataset_name` is 'apt36k'.
    The annotation file differs from the COCO format in three ways:

    - Image names are absolute Windows paths. Only species, clip and frame are kept, so `data_prefix` must be the
      folder that holds the species. Names without a drive letter, as in re-split files, are used unchanged.
    - Crowds are marked by `is_crowd` instead of `iscrowd`.
    - Images and annotations have a `video_id`, so that a split can keep a clip together. APT-36K is published
      as one file without a split.
    """

    METAINFO: dict = dict(from_file=str(Path(__file__).with_name('apt36k_keypoints.py')))

    def load_data_list(self) -> list[dict]:
        """Read the annotations and resolve image names relative to `data_prefix`."""
        data_list = super().load_data_list()
        for info in data_list:
            info['img_path'] = WINDOWS_PATH.sub(lambda old: '/'.join(re.split(r'[\\/]', old[0])[-3:]), info['img_path'])
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """Return MMPose's record of an instance, with `iscrowd` read from `is_crowd`."""
        info = super().parse_data_info(raw_data_info)
        if info is not None:
            info['iscrowd'] = raw_data_info['raw_ann_info'].get('is_crowd', info['iscrowd'])
        return info
