"""The built-in data: articulated people drawn on varied backgrounds, written in COCO's layout.

`skeleton` is the body (joints, limits, forward kinematics), `poses` what it does, `keypoints` which of its points a
data set names, `paint` and `figure` put one on a canvas, `scenery` draws what stands around it, `renderer` makes one
image with its annotations, `writer` many of them on disk, and `preview` a contact sheet.
"""
