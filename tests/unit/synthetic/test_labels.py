import numpy as np
import pytest

from tests.unit.synthetic.figures import draw, keypoints_of, stand
from vitpose.synthetic.bodies.pose_families import FAMILIES
from vitpose.synthetic.figure import PARTS_PER_FIGURE, Figure, part_ids
from vitpose.synthetic.keypoints import COCO
from vitpose.synthetic.labels import annotate
from vitpose.synthetic.paint import Canvas, draw_limb
from vitpose.synthetic.renderer import OBJECT

SPREAD = FAMILIES['spread']


def person(yaw: float = 0, angles: dict = SPREAD, at: tuple = (160, 110), scale: float = 200) -> tuple[Figure, Canvas]:
    figure = stand('coco', yaw, angles, scale, at)
    return figure, draw(figure, size=(240, 320))


def cover(canvas: Canvas, spot: np.ndarray, radius: float, ident: int = OBJECT) -> None:
    draw_limb(canvas, spot, spot + 0.1, np.full(2, radius), np.full(3, 200), ident)


@pytest.mark.parametrize(('yaw', 'sign'), [(0, 1), (180, -1), (35, 1), (145, -1), (-150, -1)])
def test_left_and_right_depend_on_the_view(yaw: float, sign: int) -> None:
    points = keypoints_of('coco', *person(yaw))
    for joint in ('shoulder', 'elbow', 'wrist', 'hip'):
        assert np.sign(points[f'left_{joint}'][0] - points[f'right_{joint}'][0]) == sign, joint


def test_visible_face_keypoints_depend_on_the_view() -> None:
    for yaw, seen, hidden in (
        (0, 'nose left_eye right_eye left_ear right_ear', ''),
        (180, '', 'nose left_eye right_eye'),
        (90, 'nose right_eye right_ear', 'left_eye left_ear'),  # looks to the image's right
        (-90, 'nose left_eye left_ear', 'right_eye right_ear'),
    ):
        points = keypoints_of('coco', *person(yaw, {}, (160, 120), 220))
        assert {points[name][2] for name in seen.split()} <= {2} and {points[name][2] for name in hidden.split()} <= {1}


@pytest.mark.parametrize('joint', ['left_wrist', 'right_elbow', 'left_knee', 'right_ankle', 'left_shoulder', 'nose'])
def test_object_over_a_joint_hides_only_that_joint(joint: str) -> None:
    figure, canvas = person()
    before = keypoints_of('coco', figure, canvas)
    assert before[joint][2] == 2
    spot = before[joint][:2]
    cover(canvas, spot, 4.0)
    after = keypoints_of('coco', figure, canvas)
    assert after[joint].tolist() == [*spot, 1]
    assert all(after[n][2] == before[n][2] for n in before if np.linalg.norm(before[n][:2] - spot) > 6)


def test_person_in_front_hides_the_person_behind() -> None:
    behind, front = person()[0], person(0, {}, (160, 120), 230)[0]
    canvas = draw(behind, front, size=(240, 320))
    points = keypoints_of('coco', behind, canvas)
    assert points['left_hip'][2] == points['right_hip'][2] == points['nose'][2] == 1
    assert points['left_wrist'][2] == points['right_wrist'][2] == 2  # spread arms stick out
    assert keypoints_of('coco', front, canvas, 2)['left_hip'][2] == 2


def test_body_hides_the_far_arm() -> None:
    points = keypoints_of('coco', *person(90, {}))
    assert points['right_shoulder'][2] == points['right_elbow'][2] == 2
    assert points['left_shoulder'][2] == points['left_elbow'][2] == 1


def test_shoulder_behind_the_chest_is_hidden() -> None:
    angles = {'left_shoulder': (-90, 0, 0), 'right_shoulder': (-90, 0, 0), 'spine': (0, 0, 30)}
    figure, canvas = person(40, angles)
    for side in ('left', 'right'):  # paint the chest over both shoulders, like a sleeveless vest
        chest = PARTS_PER_FIGURE + part_ids(figure.body)['torso']
        cover(canvas, figure.points[f'{side}_shoulder'][:2], 3.0, chest)
    points = keypoints_of('coco', figure, canvas)
    assert (points['right_shoulder'][2], points['left_shoulder'][2]) == (2, 1)


def test_joints_outside_the_image_are_not_labeled() -> None:
    points = keypoints_of('coco', *person(at=(5, 110)))
    assert points['right_wrist'].tolist() == [0, 0, 0]
    assert points['left_wrist'][2] == 2


def test_box_and_area_are_those_of_the_visible_pixels() -> None:
    figure, canvas = person()
    draw_limb(canvas, np.array((160.0, 0)), np.array((160.0, 240)), np.full(2, 3.0), np.full(3, 200), OBJECT)
    annotation = annotate(canvas, figure, 1, COCO)
    rows, columns = np.nonzero(canvas.ids // PARTS_PER_FIGURE == 1)
    assert annotation['area'] == len(rows)
    assert annotation['bbox'] == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert len(annotation['polygons']) >= 2  # the post cuts the body in two
    assert all(len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in annotation['polygons'])
    canvas.ids[:] = OBJECT  # completely hidden
    assert annotate(canvas, figure, 1, COCO) is None
