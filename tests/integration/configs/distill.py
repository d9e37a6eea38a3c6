"""`tiny.py` with a teacher for distillation. The tests set the teacher's checkpoint."""

_base_ = './tiny.py'

model = dict(type='DistillPoseEstimator', teacher=dict(config='{{ fileDirname }}/tiny.py', checkpoint='teacher.pth'))
