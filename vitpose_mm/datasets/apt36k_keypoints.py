"""APT-36K's metainfo as an MMPose config: AP-10K's keypoints under another dataset name."""

_base_ = 'mmpose::_base_/datasets/ap10k.py'

dataset_info = dict(dataset_name='apt36k')
