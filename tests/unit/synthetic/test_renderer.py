import numpy as np
import pytest

from vitpose.synthetic.figure import PARTS_PER_FIGURE, draw_figure, part_ids, place
from vitpose.synthetic.keypoints import COCO, keypoint_set
from vitpose.synthetic.labels import read_keypoints
from vitpose.synthetic.paint import Canvas, Paint, draw_limb
from vitpose.synthetic.poses import FAMILIES
from vitpose.synthetic.renderer import DIFFICULTIES, annotate, difficulty, render
from vitpose.synthetic.scenery import OBJECT
from vitpose.synthetic.skeleton import HUMAN, rotation
from vitpose.synthetic.wardrobe import sample_wardrobe

NAMES = COCO.names
SPREAD = FAMILIES['spread']


def canvas_with(yaw: float = 0.0, at: tuple[float, float] = (160, 110), scale: float = 200, angles: dict = SPREAD):
    """A canvas with one person, whose id is 1."""
    canvas = Canvas.blank(np.full((240, 320, 3), 128, np.float32), np.array((0, -0.5, 1.0)))
    wardrobe = sample_wardrobe(np.random.default_rng(3))
    figure = place(HUMAN, angles, {}, rotation(0, 0, yaw), scale, wardrobe).moved(*at)
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
    canvas = Canvas.blank(np.zeros((240, 320, 3)), np.array((0, -0.5, 1.0)))
    bald = next(w for w in (sample_wardrobe(np.random.default_rng(i)) for i in range(99)) if not w.long_hair)
    figure = place(HUMAN, {}, {}, rotation(0, 0, yaw), 220, bald).moved(160, 120)
    draw_figure(canvas, figure, 1)
    points = keypoints_of(canvas, figure)
    assert {name: points[name][2] for name in seen + hidden} == dict.fromkeys(seen, 2) | dict.fromkeys(hidden, 1)


def test_head_shows_skin_in_front_and_hair_behind() -> None:
    wardrobe = sample_wardrobe(np.random.default_rng(3))
    colours = []
    for yaw in (0, 180):
        canvas, figure = canvas_with(yaw)
        x, y = figure.points['head'][:2].round().astype(int)
        colours.append(canvas.image[y + 2, x])
    to_skin, to_hair = (
        [np.linalg.norm(c / np.linalg.norm(c) - ref / np.linalg.norm(ref)) for c in colours]
        for ref in (wardrobe.face.skin, wardrobe.face.hair)
    )
    assert to_skin[0] < to_skin[1]
    assert to_hair[1] < to_hair[0]


@pytest.mark.parametrize('joint', ['left_wrist', 'right_elbow', 'left_knee', 'right_ankle', 'left_shoulder', 'nose'])
def test_object_over_a_joint_hides_only_that_joint(joint: str) -> None:
    canvas, figure = canvas_with()
    before = keypoints_of(canvas, figure)
    assert before[joint][2] == 2
    spot = before[joint][:2]
    draw_limb(canvas, spot, spot + 0.1, np.full(2, 4.0), Paint.plain(np.full(3, 200.0)), OBJECT)
    after = keypoints_of(canvas, figure)
    assert after[joint][2] == 1
    np.testing.assert_allclose(after[joint][:2], spot)
    far = [n for n in NAMES if np.linalg.norm(before[n][:2] - spot) > 6]
    assert all(after[name][2] == before[name][2] for name in far)


def test_person_in_front_hides_the_person_behind() -> None:
    canvas, behind = canvas_with()
    front = place(HUMAN, {}, {}, np.eye(3), 230, sample_wardrobe(np.random.default_rng(5))).moved(160, 120)
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
        draw_limb(canvas, spot, spot + 0.1, np.full(2, 3.0), Paint.plain(np.ones(3)), chest)
    points = keypoints_of(canvas, figure)
    assert (points['right_shoulder'][2], points['left_shoulder'][2]) == (2, 1)


def test_joints_outside_the_image_are_not_labelled() -> None:
    points = keypoints_of(*canvas_with(at=(5, 110)))
    assert points['right_wrist'].tolist() == [0, 0, 0]
    assert points['left_wrist'][2] == 2


def test_visible_joints_lie_on_the_person_in_every_scene() -> None:
    """In every scene, v = 2 is on a pixel of a person, v = 1 is inside the image, and v = 0 has zero coordinates."""
    seen = set()
    for name in DIFFICULTIES:
        for index in range(25):
            rendered = render(np.random.default_rng([9, index]), COCO, DIFFICULTIES[name])
            owners = rendered.ids // PARTS_PER_FIGURE
            for person in rendered.people:
                x, y, width, height = person['bbox']
                for px, py, v in person['keypoints']:
                    seen.add(v)
                    if v == 0:
                        assert (px, py) == (0, 0)
                        continue
                    assert 0 <= px <= 319 and 0 <= py <= 239
                    if v == 2:
                        assert owners[round(py), round(px)] > 0
                        assert x - 0.5 <= px <= x + width - 0.5 and y - 0.5 <= py <= y + height - 0.5
    assert seen == {0, 1, 2}


def test_box_and_area_are_those_of_the_visible_pixels() -> None:
    canvas, figure = canvas_with()
    draw_limb(canvas, np.array((160.0, 0)), np.array((160.0, 240)), np.full(2, 3.0), Paint.plain(np.ones(3)), OBJECT)
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


def test_clothes_are_the_same_on_both_sides() -> None:
    for seed in range(20):
        paints = sample_wardrobe(np.random.default_rng(seed)).paints
        for name, paint in paints.items():
            if name.startswith('left_'):
                other = paints[name.replace('left_', 'right_')]
                assert paint.stops == other.stops
                np.testing.assert_array_equal(paint.colours, other.colours)


def test_hard_hides_more_keypoints_than_easy() -> None:
    hidden = {}
    for name in DIFFICULTIES:
        visible = [
            person['keypoints'][:, 2]
            for index in range(40)
            for person in render(np.random.default_rng([4, index]), COCO, DIFFICULTIES[name]).people
        ]
        hidden[name] = np.mean(np.concatenate(visible) < 2)
    assert hidden['hard'] > hidden['easy'] + 0.1


def test_same_seed_gives_the_same_image() -> None:
    first, again, other = (render(np.random.default_rng(s), COCO, difficulty('easy')) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.image, again.image)
    assert (first.image != other.image).any()


def test_unknown_names_are_errors() -> None:
    with pytest.raises(KeyError, match="unknown difficulty 'medium'.*easy, hard"):
        difficulty('medium')
    with pytest.raises(KeyError, match="unknown kind 'giraffe'.*aic, ap10k, coco, mpii, wholebody"):
        keypoint_set('giraffe')
