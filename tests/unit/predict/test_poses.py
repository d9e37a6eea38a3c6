"""Poses: names, lists, drawings, and other libraries' objects."""

import json
import sys

import cv2
import numpy as np
import pytest

from tests.unit.predict.frames import METAINFO, make_frame, make_poses
from vitpose import DrawStyle, draw_poses


def known(count=2, **options):
    poses = make_poses(count, **options)
    poses.metainfo, poses.image = METAINFO, make_frame().image
    return poses


def test_names_and_lists_for_json():
    poses = known(dropped=['box 2: no area'])
    poses.keypoints[0, 0, 0] = np.nan
    content = json.loads(json.dumps(poses.to_dict(), allow_nan=False))
    assert poses.names == content['keypoint_names'] == ['head', 'left_foot', 'right_foot']
    assert content['keypoints'][0] == [[None, 5], [8, 45], [14, 45]] and content['dropped'] == ['box 2: no area']
    assert content['keypoint_scores'][1] == [0.9, 0.8, 0.1] and content['track_ids'] is None
    assert content['score_kind'] == 'peak' and not {'covariance', 'expected_oks'} & content.keys()
    poses.metainfo, poses.expected_oks = METAINFO | {'score_kind': 'probability'}, np.array([0.5, 0.25])
    assert (poses.to_dict()['score_kind'], poses.to_dict()['expected_oks']) == ('probability', [0.5, 0.25])
    assert make_poses(1).names is None is make_poses(1).to_dict()['keypoint_names']


def test_a_drawing_is_that_of_draw_poses():
    poses, style = known(), DrawStyle(boxes=False)
    np.testing.assert_array_equal(poses.plot(), draw_poses(poses.image, poses, METAINFO))
    other = np.zeros((90, 90, 3), np.uint8)
    np.testing.assert_array_equal(poses.plot(other, style), draw_poses(other, poses, METAINFO, style))
    assert (poses.image == 128).all()
    poses.image = None
    with pytest.raises(ValueError, match=r'plot: no image: expected poses of PosePredictor\(image\), or an image'):
        poses.plot()
    with pytest.raises(ValueError, match='plot: no metainfo'):
        make_poses().plot(other)


def test_a_notebook_shows_the_drawing():
    poses = known()
    shown = cv2.imdecode(np.frombuffer(poses._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(shown, poses.plot())
    poses.image = np.zeros((100, 5000, 3), np.uint8)
    assert cv2.imdecode(np.frombuffer(poses._repr_png_(), np.uint8), 1).shape == (26, 1280, 3)
    poses.image = None
    assert poses._repr_png_() is None and 'METAINFO' not in repr(poses) and 'image=' not in repr(poses)


def test_supervision_draws_the_keypoints():
    sv = pytest.importorskip('supervision')
    poses = known(track=True)
    poses.covariance = np.ones((2, 3, 2, 2), np.float32)
    keypoints = poses.to_supervision()
    assert keypoints.data['covariance'].shape == (2, 3, 2, 2) and 'expected_oks' not in keypoints.data
    assert isinstance(keypoints, sv.KeyPoints) and keypoints.data['track_ids'].tolist() == [0, 1]
    np.testing.assert_array_equal(keypoints.xy, poses.keypoints)
    np.testing.assert_array_equal(keypoints.keypoint_confidence, poses.scores)
    assert (sv.VertexAnnotator(radius=2).annotate(make_frame().image, keypoints)[45, 8] != 128).any()
    assert len(make_poses(0).to_supervision().xy) == 0


def test_supervision_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'supervision', None)
    with pytest.raises(ValueError, match=r"to_supervision needs the package supervision .*'vitpose_mm\[track\]'"):
        make_poses().to_supervision()
