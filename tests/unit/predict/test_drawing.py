"""Poses are drawn in the colors of the dataset, and keypoints without a score are not drawn; styles."""

import numpy as np
import pytest
from PIL import Image

from tests.unit.predict.frames import METAINFO, make_poses
from vitpose.predict.drawing import DrawStyle, draw_poses, track_color

BLANK = np.full((60, 80, 3), 128, np.uint8)


def test_keypoints_and_links_have_the_colors_of_the_dataset_unless_their_score_is_low():
    poses = make_poses()
    poses.scores[:] = 1
    drawn = draw_poses(BLANK, poses, METAINFO)
    assert (BLANK == 128).all()
    assert drawn[5, 10].tolist() == [0, 0, 255]  # RGB (255, 0, 0), in BGR
    assert drawn[45, 8].tolist() == [0, 255, 0]
    assert drawn[45, 14].tolist() == [255, 0, 0]
    assert np.abs(drawn[25, 9].astype(int) - (0, 255, 255)).max() < 80  # first link, (255, 255, 0)
    assert np.abs(drawn[25, 12].astype(int) - (255, 255, 0)).max() < 80
    poses.scores[:, 2] = 0.1
    drawn = draw_poses(BLANK, poses, METAINFO)
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


@pytest.mark.parametrize(
    ('image', 'kind'),
    [
        (BLANK[..., 0], r'\(60, 80\) uint8'),
        (BLANK[..., :1], r'\(60, 80, 1\) uint8'),
        (np.dstack([BLANK, BLANK[..., :1]]), r'\(60, 80, 4\) uint8'),
        (BLANK / 255, r'\(60, 80, 3\) float64'),
        (BLANK.astype(np.uint16), r'\(60, 80, 3\) uint16'),
        (Image.fromarray(BLANK), 'Image'),
        (None, 'NoneType'),
    ],
)
def test_other_images_are_refused(image, kind):
    with pytest.raises(ValueError, match=rf'^image {kind}: expected an array \(H, W, 3\) uint8 BGR'):
        draw_poses(image, make_poses(), METAINFO)


def test_an_image_in_another_order_in_memory():
    turned = np.asfortranarray(BLANK)
    for style in (DrawStyle(), DrawStyle(blank=True)):
        expected = draw_poses(BLANK, make_poses(), METAINFO, style)
        np.testing.assert_array_equal(draw_poses(turned, make_poses(), METAINFO, style), expected)


def test_tracks_have_colors_and_numbers():
    poses = make_poses(3, track=True)
    poses.track_ids[2] = -1
    drawn = draw_poses(BLANK, poses, METAINFO)
    for box, track in zip(poses.boxes.astype(int), poses.track_ids.tolist(), strict=True):
        assert drawn[box[3] - 8, box[0]].tolist() == list(track_color(track))
    assert len({track_color(i) for i in range(-1, 40)}) == 41
    labeled, plain = (drawn[:20, 4 + 15 * i : 9 + 15 * i] for i in (0, 2))
    assert (labeled == track_color(0)).all(-1).sum() > 3 * (plain == track_color(-1)).all(-1).sum() / 2


def changed(style, poses=None):
    """Which pixels of a gray image are drawn, apart from those that the default draws."""
    return (draw_poses(BLANK, poses or make_poses(), METAINFO, style) != 128).any(-1)


def test_styles():
    default = changed(None)
    assert default[2, 4:18].all()  # the upper side of the box
    assert not changed(DrawStyle(boxes=False))[2, 14:18].any() and changed(DrawStyle(boxes=False))[5, 10]
    assert changed(DrawStyle(thickness=9)).sum() > 2 * default.sum()
    assert changed(DrawStyle(radius=7))[45, 1] and not default[45, 1]
    assert not default[45, 14] and changed(DrawStyle(kpt_score=0.1))[45, 14]  # the third one has 0.1
    beside = np.s_[0:10, 19:40]  # of the head
    assert changed(DrawStyle(names=True))[beside].sum() > 50 and not default[beside].any()
    black = draw_poses(BLANK, make_poses(), METAINFO, DrawStyle(blank=True))
    assert (black[55:] == 0).all() and (black[5, 10] == (0, 0, 255)).all() and (BLANK == 128).all()


@pytest.mark.parametrize('options', [dict(thickness=0), dict(radius=-1), dict(radius=np.nan), dict(thickness=1e9)])
def test_lengths_that_cannot_be_drawn(options):
    with pytest.raises(ValueError, match=f'{next(iter(options))}=.*: expected pixels, more than 0 and at most 1000'):
        DrawStyle(**options)


def test_an_ellipse_is_one_standard_deviation_of_the_covariance():
    poses, plain = make_poses(), draw_poses(BLANK, make_poses(), METAINFO)
    poses.keypoints[:] = 40, 30
    poses.scores[:] = [1, 0, 0]
    poses.covariance = np.zeros((1, 3, 2, 2))
    poses.covariance[0, :] = [[100, 60], [60, 100]]  # standard deviations of 12.6 and 6.3 along the diagonals
    style = DrawStyle(boxes=False, blank=True, radius=1)
    y, x = np.nonzero(draw_poses(BLANK, poses, METAINFO, style)[..., 2] > 100)
    along, across = (x - 40 + y - 30) / 2**0.5, (x - 40 - y + 30) / 2**0.5
    assert (along.max(), across.max()) == (pytest.approx(12.6, abs=1), pytest.approx(6.3, abs=1))
    without = draw_poses(BLANK, poses, METAINFO, DrawStyle(boxes=False, blank=True, radius=1, uncertainty=False))
    assert (without > 0).sum() < (np.hypot(along, across) > 3).sum()
    poses.covariance[0, 0], poses.keypoints[0, 0] = np.diag((300.0**2, 1)), (400, 30)  # a large person
    large = draw_poses(np.zeros((60, 800, 3), np.uint8), poses, METAINFO, style)
    assert np.nonzero(large.any((0, 2)))[0].max() == pytest.approx(700, abs=2)
    poses.covariance[0, 0] = np.nan
    assert draw_poses(BLANK, poses, METAINFO, style).shape == plain.shape
