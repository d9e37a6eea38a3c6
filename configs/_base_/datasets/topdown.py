"""The steps of the top-down pipelines that do not depend on the input size."""

loading = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
flip = dict(type='RandomFlip', direction='horizontal')
# The authors' rotation of 40 degrees is a standard deviation, cut off at twice that. MMPose's
# factor is the cut-off.
turn = dict(type='RandomBBoxTransform', scale_factor=(0.5, 1.5), rotate_factor=80.0)
augmentation = [flip, dict(type='RandomHalfBody', prob=0.3), turn]
# MPII's file gives people's centres, which the authors and MMPose do not shift as they shift boxes
mpii_augmentation = [flip, dict(turn, shift_prob=0.0)]
# MMPose's; hands point in any direction
hand_augmentation = [flip, dict(type='RandomBBoxTransform', scale_factor=(0.7, 1.3), rotate_factor=180.0)]
packing = [dict(type='PackPoseInputs')]
