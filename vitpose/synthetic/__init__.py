"""Synthetic data: articulated people and animals on random backgrounds, in the annotation formats of five datasets.

Bodies: `bodies.skeleton` (joints, limits, forward kinematics and the human body), `bodies.hands` (a body with fingers),
`bodies.quadruped`, `bodies.pose_families` (distributions of joint angles) and `bodies.species`, which combines them.
Keypoints: `landmarks` (what a keypoint is), `keypoints` and `wholebody` (the keypoints of each dataset).
Images: `paint` (limbs and heads on a canvas), `figure` (a posed body), `labels` (annotations from the drawn pixels),
`renderer` (one image with its annotations) and `clip` (a video).
Datasets: `render_settings`, `annotation_files`, `writer` (files on disk) and `contact_sheet` (a preview).
"""
