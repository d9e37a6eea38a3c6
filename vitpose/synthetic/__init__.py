"""The built-in data: articulated people and animals drawn on varied backgrounds, in the layouts of five data sets.

`skeleton` is a body (joints, limits, forward kinematics), `hands` the same with fingers, `quadruped` an animal;
`poses` is what bodies do, `species` puts a body, its poses and its looks together. `landmarks` says what a keypoint
is, `keypoints` and `wholebody` which ones a data set names. `paint` and `figure` put somebody on a canvas, `scenery`
draws what stands around, `labels` reads what can be seen, `renderer` makes one image with its annotations, `writer`
many of them on disk, `formats` their annotation files, and `preview` a contact sheet.
"""
