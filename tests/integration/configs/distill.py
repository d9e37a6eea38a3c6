"""The tiny training with a teacher beside it. Tests fill in the teacher's checkpoint."""

_base_ = './tiny.py'

model = dict(type='DistillPoseEstimator', teacher=dict(config='{{ fileDirname }}/tiny.py', checkpoint='teacher.pth'))
