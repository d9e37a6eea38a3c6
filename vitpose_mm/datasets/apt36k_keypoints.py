"""The keypoints of APT-36K, a config in MMPose's form: AP-10K's under another name."""

_base_ = 'mmpose::_base_/datasets/ap10k.py'

dataset_info = dict(dataset_name='apt36k')
