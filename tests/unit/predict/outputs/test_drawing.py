"""Poses are drawn in the colours of the dataset, and keypoints without a score are not drawn."""

import numpy as np
import pytest

from tests.unit.predict.frames import METAINFO, make_poses
from vitpose.predict.outputs.drawing import draw_poses, track_colour

BLANK = np.full((60, 80, 3), 128, np.uint8)


def test_keypoints_and_links_have_the_colours_of_the_dataset():
    poses = make_poses()
    poses.scores[:] = 1
    drawn = draw_poses(BLANK, poses, METAINFO)
    assert (BLANK == 128).all()
    assert drawn[5, 10].tolist() == [0, 0, 255]  # RGB (255, 0, 0), in BGR
    assert drawn[45, 8].tolist() == [0, 255, 0]
    assert drawn[45, 14].tolist() == [255, 0, 0]
    assert np.abs(drawn[25, 9].astype(int) - (0, 255, 255)).max() < 80  # first link, (255, 255, 0)
    assert np.abs(drawn[25, 12].astype(int) - (255, 255, 0)).max() < 80


def test_keypoint_with_a_low_score_is_left_out_with_its_link():
    drawn = draw_poses(BLANK, make_poses(), METAINFO)  # the score of the third one is 0.1
    assert drawn[45, 8].tolist() == [0, 255, 0]
    assert (drawn[40:48, 13:17] == 128).all()


@pytest.mark.parametrize('value', [np.nan, np.inf, -1e9, 1e9])
def test_points_and_boxes_far_outside(value):
    poses = make_poses(2)
    poses.keypoints[0, 0] = poses.boxes[0, 2] = value
    assert draw_poses(BLANK, poses, METAINFO).shape == BLANK.shape


@pytest.mark.parametrize('shape', [(1, 1), (1, 500), (2000, 3)])
def test_any_image_size(shape):
    image = np.zeros((*shape, 3), np.uint8)
    assert draw_poses(image, make_poses(2, track=True), METAINFO).shape == image.shape
    assert (draw_poses(image, make_poses(0), METAINFO) == 0).all()


def test_tracks_have_colours_and_numbers():
    poses = make_poses(3, track=True)
    poses.track_ids[2] = -1
    drawn = draw_poses(BLANK, poses, METAINFO)
    for i in range(3):
        left, _, _, bottom = poses.boxes[i].astype(int)
        assert drawn[bottom - 8, left].tolist() == list(track_colour(int(poses.track_ids[i])))
    assert len({track_colour(i) for i in range(-1, 40)}) == 41
    labelled, plain = (drawn[:20, 4 + 15 * i : 9 + 15 * i] for i in (0, 2))
    assert (labelled == track_colour(0)).all(-1).sum() > 3 * (plain == track_colour(-1)).all(-1).sum() / 2
