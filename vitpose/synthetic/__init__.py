"""Synthetic data: articulated people and animals on random backgrounds, in the annotation formats of five datasets.

`bodies` (joints, poses, species) are posed and drawn as a `figure` with `paint`; `renderer` makes an image and `clip` a
video of them; `landmarks`, `keypoints` and `wholebody` say what is a keypoint, and `labels` reads them from the pixels;
`writer` and `annotation_files` write a dataset by its `render_settings`, and `contact_sheet` draws it.
"""
