"""The picture of errors: which joints count, and which part of a photograph is shown."""

import numpy as np

from projects.real_people.pictures import SIDE, crop, limb_errors


def test_labeled_joints_of_both_sets_count():
    labels = np.array([[0, 0, 2], [10, 10, 1], [50, 50, 0], [20, 0, 2]])
    keypoints = np.array([[23, 4], [0, 0], [7, 7], [9, 9]])
    errors = limb_errors(keypoints, ['knee', 'hip', 'nose', 'ankle'], labels, ['hip', 'pelvis', 'ankle', 'knee'])
    np.testing.assert_allclose(errors, [0, 5])


def test_the_box_is_in_the_middle_and_white_lies_outside_the_image():
    image = np.zeros((100, 50, 3), np.uint8)
    image[40:60, 20:30] = 200
    part = crop(image, np.array([20, 40, 30, 60]))
    middle = slice(round(SIDE / 2 - 0.3 * SIDE), round(SIDE / 2 + 0.3 * SIDE))
    assert part.shape == (SIDE, SIDE, 3) and (part[middle, SIDE // 2] == 200).all() and (part[:, 5] == 0).all()
    assert (crop(image, np.array([0, 0, 10, 10]))[:5] == 255).all()
