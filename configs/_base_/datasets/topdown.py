"""The transforms of top-down pipelines that do not depend on the input size."""

box = dict(type='GetBBoxCenterScale')
loading = [dict(type='LoadImage'), box]
# OpenImage, FlipBox, TurnBox and CropImage train on the same crops as MMPose's LoadImage, RandomFlip,
# RandomBBoxTransform and TopdownAffine, and take less time (docs/training_speed.md)
opening = [dict(type='OpenImage'), box]
flip = dict(type='FlipBox', direction='horizontal')
# The authors draw the rotation from a normal distribution with a standard deviation of 40 degrees, clipped to
# +-80 degrees. MMPose's rotate_factor is this limit.
turn = dict(type='TurnBox', scale_factor=(0.5, 1.5), rotate_factor=80.0)
augmentation = [flip, dict(type='RandomHalfBody', prob=0.3), turn]
# MPII annotates centres instead of boxes; the authors and MMPose do not shift these
mpii_augmentation = [flip, dict(turn, shift_prob=0.0)]
# as MMPose does for hands, which can point in any direction
hand_augmentation = [flip, dict(type='TurnBox', scale_factor=(0.7, 1.3), rotate_factor=180.0)]
packing = [dict(type='PackPoseInputs')]
