"""Synthetic data: articulated people and animals on varied backgrounds, in the annotation formats of five datasets.

Bodies: `skeleton` (joints, limits, forward kinematics and the human body), `hands` (a body with fingers), `quadruped`,
`poses` (distributions of joint angles), `wardrobe` (colours) and `species`, which combines them.
Keypoints: `landmarks` (what a keypoint is), `keypoints` and `wholebody` (the keypoints of each dataset).
Images: `paint` (shapes on a canvas), `figure` (a posed body), `scenery` (backgrounds and objects), `labels` (keypoints
and their visibility) and `renderer` (one image with its annotations).
Datasets: `recipe` (settings), `formats` (annotation files), `writer` (files on disk) and `preview` (a contact sheet).
"""
