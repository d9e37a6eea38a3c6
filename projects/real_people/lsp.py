"""Metainfo of Leeds Sports Pose: CrowdPose's 14 joints under a name of its own."""

_base_ = 'mmpose::_base_/datasets/crowdpose.py'

dataset_info = dict(dataset_name='lsp')
