"""The steps of the top-down pipelines that do not depend on the input size."""

loading = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
augmentation = [
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', prob=0.3),
    # The authors' rotation of 40 degrees is a standard deviation, cut off at twice that. MMPose's
    # factor is the cut-off.
    dict(type='RandomBBoxTransform', scale_factor=(0.5, 1.5), rotate_factor=80.0),
]
packing = [dict(type='PackPoseInputs')]
