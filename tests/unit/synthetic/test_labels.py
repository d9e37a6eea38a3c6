"""Visibility, boxes and areas of a person, read from the drawn pixels."""

import numpy as np
import pytest

from vitpose.synthetic.bodies.pose_families import FAMILIES
from vitpose.synthetic.bodies.skeleton import HUMAN, rotation
from vitpose.synthetic.bodies.species import sample_clothes
from vitpose.synthetic.figure import PARTS_PER_FIGURE, draw_figure, part_ids, place
from vitpose.synthetic.keypoints import COCO
from vitpose.synthetic.labels import annotate, read_keypoints
from vitpose.synthetic.paint import Canvas, draw_limb
from vitpose.synthetic.renderer import OBJECT

NAMES = COCO.names
SPREAD = FAMILIES['spread']
GRAY = np.full(3, 200)


def canvas_with(yaw: float = 0.0, at: tuple[float, float] = (160, 110), scale: float = 200, angles: dict = SPREAD):
    """A canvas with one person, whose id is 1."""
    canvas = Canvas(np.full((240, 320, 3), 128))
    looks = sample_clothes(np.random.default_rng(3))
    figure = place(HUMAN, angles, {}, rotation(0, 0, yaw), scale, looks).moved(*at)
    draw_figure(canvas, figure, 1)
    return canvas, figure


def keypoints_of(canvas: Canvas, figure, number: int = 1) -> dict[str, np.ndarray]:
    return dict(zip(NAMES, read_keypoints(canvas, figure, number, COCO), strict=True))


@pytest.mark.parametrize(('yaw', 'sign'), [(0, 1), (180, -1), (35, 1), (145, -1), (-150, -1)])
def test_left_and_right_depend_on_the_view(yaw: float, sign: int) -> None:
    """The left side is on the image's right if the person faces the camera, otherwise on its left."""
    points = keypoints_of(*canvas_with(yaw))
    for joint in ('shoulder', 'elbow', 'wrist', 'hip'):
        assert np.sign(points[f'left_{joint}'][0] - points[f'right_{joint}'][0]) == sign, joint


@pytest.mark.parametrize(
    ('yaw', 'seen', 'hidden'),
    [
        (0, ['nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear'], []),
        (180, [], ['nose', 'left_eye', 'right_eye']),
        (90, ['nose', 'right_eye', 'right_ear'], ['left_eye', 'left_ear']),  # looks to the image's right
        (-90, ['nose', 'left_eye', 'left_ear'], ['right_eye', 'right_ear']),
    ],
)
def test_visible_face_keypoints_depend_on_the_view(yaw: float, seen: list[str], hidden: list[str]) -> None:
    points = keypoints_of(*canvas_with(yaw, (160, 120), 220, {}))
    assert {name: points[name][2] for name in seen + hidden} == dict.fromkeys(seen, 2) | dict.fromkeys(hidden, 1)


@pytest.mark.parametrize('joint', ['left_wrist', 'right_elbow', 'left_knee', 'right_ankle', 'left_shoulder', 'nose'])
def test_object_over_a_joint_hides_only_that_joint(joint: str) -> None:
    canvas, figure = canvas_with()
    before = keypoints_of(canvas, figure)
    assert before[joint][2] == 2
    spot = before[joint][:2]
    draw_limb(canvas, spot, spot + 0.1, np.full(2, 4.0), GRAY, OBJECT)
    after = keypoints_of(canvas, figure)
    assert after[joint][2] == 1
    np.testing.assert_allclose(after[joint][:2], spot)
    far = [n for n in NAMES if np.linalg.norm(before[n][:2] - spot) > 6]
    assert all(after[name][2] == before[name][2] for name in far)


def test_person_in_front_hides_the_person_behind() -> None:
    canvas, behind = canvas_with()
    front = place(HUMAN, {}, {}, np.eye(3), 230, sample_clothes(np.random.default_rng(5))).moved(160, 120)
    draw_figure(canvas, front, 2)
    points = keypoints_of(canvas, behind)
    assert points['left_hip'][2] == points['right_hip'][2] == points['nose'][2] == 1
    assert points['left_wrist'][2] == points['right_wrist'][2] == 2  # spread arms stick out
    assert keypoints_of(canvas, front, 2)['left_hip'][2] == 2


def test_body_hides_the_far_arm() -> None:
    points = keypoints_of(*canvas_with(90, angles={}))
    assert points['right_shoulder'][2] == points['right_elbow'][2] == 2
    assert points['left_shoulder'][2] == points['left_elbow'][2] == 1


def test_shoulder_behind_the_chest_is_hidden() -> None:
    """The near shoulder, which lies in the chest, is visible; the far shoulder is hidden."""
    angles = {'left_shoulder': (-90, 0, 0), 'right_shoulder': (-90, 0, 0), 'spine': (0, 0, 30)}
    canvas, figure = canvas_with(40, angles=angles)
    for side in ('left', 'right'):  # paint the chest over both shoulders, like a sleeveless vest
        spot = figure.points[f'{side}_shoulder'][:2]
        chest = PARTS_PER_FIGURE + part_ids(HUMAN)['torso']
        draw_limb(canvas, spot, spot + 0.1, np.full(2, 3.0), GRAY, chest)
    points = keypoints_of(canvas, figure)
    assert (points['right_shoulder'][2], points['left_shoulder'][2]) == (2, 1)


def test_joints_outside_the_image_are_not_labeled() -> None:
    points = keypoints_of(*canvas_with(at=(5, 110)))
    assert points['right_wrist'].tolist() == [0, 0, 0]
    assert points['left_wrist'][2] == 2


def test_box_and_area_are_those_of_the_visible_pixels() -> None:
    canvas, figure = canvas_with()
    draw_limb(canvas, np.array((160.0, 0)), np.array((160.0, 240)), np.full(2, 3.0), GRAY, OBJECT)
    person = annotate(canvas, figure, 1, COCO)
    rows, columns = np.nonzero(canvas.ids // PARTS_PER_FIGURE == 1)
    assert person is not None
    assert person['area'] == len(rows)
    assert person['bbox'] == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert len(person['polygons']) >= 2  # the post cuts the body in two
    assert all(len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in person['polygons'])


def test_completely_hidden_person_is_not_annotated() -> None:
    canvas, figure = canvas_with()
    canvas.ids[:] = OBJECT
    assert annotate(canvas, figure, 1, COCO) is None
