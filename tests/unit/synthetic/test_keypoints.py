from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.unit.synthetic.figures import draw, keypoints_of, stand
from vitpose.synthetic.bodies.hands import GESTURES
from vitpose.synthetic.bodies.pose_families import mirrored
from vitpose.synthetic.bodies.quadruped import GAITS
from vitpose.synthetic.bodies.skeleton import mirror_name
from vitpose.synthetic.figure import PARTS_PER_FIGURE, part_ids
from vitpose.synthetic.keypoints import KINDS

BONES = {
    'aic': 'left_wrist:left_forearm right_knee:right_thigh neck:neck',
    'mpii': 'right_ankle:right_foot left_elbow:left_forearm thorax:torso',
    'ap10k': """
        left_front_paw:left_front_foot right_elbow:right_upper_arm left_knee:left_thigh right_back_paw:right_back_foot
        nose:nose left_eye:left_eye root_of_tail:tail neck:throat
    """,
    'wholebody': """
        left_thumb4:left_thumb3 right_pinky_finger4:right_pinky_finger3 left_forefinger3:left_forefinger3
        right_ring_finger2:right_ring_finger2 left_big_toe:left_foot right_heel:right_foot
    """,
}


@pytest.mark.parametrize(
    ('kind', 'keypoint', 'bone'), [(kind, *pair.split(':')) for kind, pairs in BONES.items() for pair in pairs.split()]
)
def test_recolored_limb_changes_the_image_at_its_keypoint(kind: str, keypoint: str, bone: str) -> None:
    """It does not change the image at the keypoint of the other side."""
    if kind == 'ap10k':
        yaw = {'tail': 170.0, 'nose': 0.0, 'left_eye': 0.0, 'throat': 0.0}.get(bone, 20 if 'left' in bone else -20)
        angles: dict = GAITS['walk']
    else:
        yaw, angles = 170.0 if 'heel' in keypoint else 0.0, {'left_shoulder': (0, 60, 0), 'right_shoulder': (0, -60, 0)}
        if kind == 'wholebody':
            angles |= GESTURES['palm'] | mirrored(GESTURES['palm'])
    figure = stand(kind, yaw, angles)
    magenta = {bone: np.array((255, 0, 255))}
    recolored = replace(figure, looks=replace(figure.looks, bones=figure.looks.bones | magenta))
    changed = np.abs(draw(figure).image - draw(recolored).image).max(-1) > 15
    points = keypoints_of(kind, figure)

    def near(name: str) -> bool:
        x, y = points[name][:2].round().astype(int)
        return bool(changed[y - 8 : y + 9, x - 8 : x + 9].any())

    assert near(keypoint)
    assert mirror_name(keypoint) == keypoint or not near(mirror_name(keypoint))


def test_face_points_lie_on_painted_features() -> None:
    figure = stand('wholebody', 0, scale=2000).moved(0, 700)
    canvas = draw(figure)
    plain = draw(replace(figure, looks=replace(figure.looks, has_face=False)))
    nose = PARTS_PER_FIGURE + part_ids(figure.body)['nose']
    painted = ((np.abs(canvas.image - plain.image).max(-1) > 8) & (canvas.ids != nose)).astype(np.uint8)
    from_paint = cv2.distanceTransform(1 - painted, cv2.DIST_L2, 5)
    points = keypoints_of('wholebody', figure, canvas)
    unit = figure.body.head_radii[0] * figure.scale  # half a head's width
    for i in (*range(17, 27), *range(36, 60)):
        x, y, v = points[f'face-{i}']
        assert v == 2, i
        assert from_paint[round(y), round(x)] < 0.04 * unit, i
    _, parts = cv2.connectedComponents(painted)
    at = [int(parts[round(points[name][1]), round(points[name][0])]) for name in ('left_eye', 'right_eye')]
    for part, first in zip(at, (42, 36), strict=True):  # the keypoints surround the painted eye
        rows, columns = np.nonzero(parts == part)
        rim = np.array([points[f'face-{i}'][:2] for i in range(first, first + 6)])
        drawn = np.array((columns.min(), columns.max(), rows.min(), rows.max()))
        labeled = np.array((*np.sort(rim[:, 0])[[0, -1]], *np.sort(rim[:, 1])[[0, -1]]))
        np.testing.assert_allclose(labeled, drawn, atol=0.06 * unit)


def test_face_turned_away_is_hidden() -> None:
    points = keypoints_of('wholebody', stand('wholebody', 180))
    assert {points[f'face-{i}'][2] for i in range(68)} == {1}
    sides = keypoints_of('wholebody', stand('wholebody', 90))  # looks to the image's right, so its right side is nearer
    assert (sides['face-36'][2], sides['face-45'][2]) == (2, 1)


@pytest.mark.parametrize(('yaw', 'near', 'far'), [(90, 'right', 'left'), (-90, 'left', 'right')])
def test_trunk_of_an_animal_hides_its_far_side(yaw: float, near: str, far: str) -> None:
    points = keypoints_of('ap10k', stand('ap10k', yaw))
    assert np.sign(points['nose'][0] - points['root_of_tail'][0]) == np.sign(yaw)
    for joint in ('eye', 'shoulder', 'hip'):
        assert (points[f'{near}_{joint}'][2], points[f'{far}_{joint}'][2]) == (2, 1), joint
    assert points['nose'][2] == points['root_of_tail'][2] == points['neck'][2] == 2


def test_face_of_an_animal_is_hidden_from_behind() -> None:
    points = keypoints_of('ap10k', stand('ap10k', 180))
    assert [points[name][2] for name in ('left_eye', 'right_eye', 'nose', 'root_of_tail')] == [1, 1, 1, 2]
    assert points['left_back_paw'][0] < points['right_back_paw'][0]


@pytest.mark.parametrize('kind', list(KINDS))
def test_every_part_of_a_figure_has_a_unique_id(kind: str) -> None:
    ids = part_ids(KINDS[kind].species.body)
    assert len(set(ids.values())) == len(ids)
    assert 0 < min(ids.values()) and max(ids.values()) < PARTS_PER_FIGURE
    for landmark in KINDS[kind].landmarks.values():
        assert {*landmark.shown_by, *landmark.through} <= set(ids)
