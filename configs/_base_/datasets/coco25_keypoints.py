"""COCO's keypoints with neck, hip and six of the feet, in the order of easy_ViTPose's files `coco_25`.

Names and links are those of easy_ViTPose's vit_utils/visualization.py. Neck and hip are the centers of the shoulders
and of the hips. The sigmas are COCO's, for neck and hip those of MMPose's Halpe-26, for the feet COCO-WholeBody's.
"""

head = 'nose left_eye right_eye left_ear right_ear neck'
arms = 'left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist'
legs = 'left_hip right_hip hip left_knee right_knee left_ankle right_ankle'
feet = 'left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel'
links = (
    'left_ankle-left_knee left_knee-left_hip right_ankle-right_knee right_knee-right_hip left_hip-hip right_hip-hip '
    'neck-hip left_shoulder-neck right_shoulder-neck left_shoulder-left_elbow right_shoulder-right_elbow '
    'left_elbow-left_wrist right_elbow-right_wrist left_eye-right_eye nose-left_eye nose-right_eye left_eye-left_ear '
    'right_eye-right_ear left_ankle-left_heel right_ankle-right_heel left_big_toe-left_small_toe '
    'right_big_toe-right_small_toe left_big_toe-left_heel right_big_toe-right_heel neck-nose'
)
swap = {'left': 'right', 'right': 'left'}
color = {'left': [0, 255, 0], 'right': [255, 128, 0]}
middle = [51, 153, 255]
points, bones = {}, {}
for i, name in enumerate(f'{head} {arms} {legs} {feet}'.split()):
    side, _, part = name.partition('_')
    opposite = f'{swap[side]}_{part}' if part else ''
    points[i] = dict(name=name, id=i, color=color.get(side, middle), type='upper' if i < 12 else 'lower', swap=opposite)
for i, link in enumerate(links.split()):
    side = link.partition('_')[0]
    bones[i] = dict(link=tuple(link.split('-')), id=i, color=color.get(side, middle))

dataset_info = dict(
    dataset_name='coco25',
    category='person',
    keypoint_info=points,
    skeleton_info=bones,
    joint_weights=[1.0] * 8 + [1.2, 1.2, 1.5, 1.5] + [1.0] * 3 + [1.2, 1.2] + [1.5] * 8,
    sigmas=[0.026, 0.025, 0.025, 0.035, 0.035, 0.026, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.066]
    + [0.087, 0.087, 0.089, 0.089, 0.068, 0.066, 0.066, 0.092, 0.094, 0.094],
)
# what stays would be a key of each config above this file
del head, arms, legs, feet, links, swap, color, middle, points, bones, i, name, side, _, part, opposite, link
