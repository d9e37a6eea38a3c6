"""The transforms of top-down pipelines that do not depend on the input size."""

loading = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
flip = dict(type='RandomFlip', direction='horizontal')
# The authors draw the rotation from a normal distribution with a standard deviation of 40 degrees, clipped to
# +-80 degrees. MMPose's rotate_factor is this limit.
turn = dict(type='RandomBBoxTransform', scale_factor=(0.5, 1.5), rotate_factor=80.0)
augmentation = [flip, dict(type='RandomHalfBody', prob=0.3), turn]
# MPII annotates centres instead of boxes; the authors and MMPose do not shift these
mpii_augmentation = [flip, dict(turn, shift_prob=0.0)]
# as MMPose does for hands, which can point in any direction
hand_augmentation = [flip, dict(type='RandomBBoxTransform', scale_factor=(0.7, 1.3), rotate_factor=180.0)]
packing = [dict(type='PackPoseInputs')]
