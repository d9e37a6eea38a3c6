"""Bodies, poses and colors of people and animals."""

import numpy as np
import pytest

from vitpose.synthetic.bodies.hands import DETAILED_PERSON, GESTURES
from vitpose.synthetic.bodies.pose_families import FAMILIES, sample_pose
from vitpose.synthetic.bodies.quadruped import GAITS, QUADRUPED, sample_coat
from vitpose.synthetic.bodies.skeleton import mirror_name, rotation
from vitpose.synthetic.bodies.species import PERSON, sample_clothes
from vitpose.synthetic.figure import draw_figure, place
from vitpose.synthetic.paint import Canvas


@pytest.mark.parametrize('dress', [sample_clothes, sample_coat])
def test_colors_are_the_same_on_both_sides(dress) -> None:
    for seed in range(20):
        bones = dress(np.random.default_rng(seed)).bones
        for name, color in bones.items():
            np.testing.assert_array_equal(color, bones[mirror_name(name)])


@pytest.mark.parametrize('dress', [sample_clothes, sample_coat])
def test_easy_clothes_and_coats_differ_from_the_background(dress) -> None:
    background = np.array((120.0, 130.0, 140.0))
    for seed in range(20):
        looks = dress(np.random.default_rng(seed), background)
        clothes = [looks.bones[name] for name in ('torso', 'left_upper_arm', 'left_thigh') if name in looks.bones]
        assert all(np.abs(color - background).max() > 75 for color in clothes)
        if dress is sample_clothes:
            np.testing.assert_array_equal(looks.bones['left_forearm'], looks.skin)


def test_head_shows_skin_in_front_and_hair_behind() -> None:
    looks = sample_clothes(np.random.default_rng(3))
    colors = []
    for yaw in (0, 180):
        canvas = Canvas(np.full((240, 320, 3), 128))
        figure = place(PERSON.body, FAMILIES['spread'], {}, rotation(0, 0, yaw), 200, looks).moved(160, 110)
        draw_figure(canvas, figure, 1)
        x, y = figure.points['head'][:2].round().astype(int)
        colors.append(canvas.image[y + 2, x])
    to_skin, to_hair = (
        [np.linalg.norm(c / np.linalg.norm(c) - ref / np.linalg.norm(ref)) for c in colors]
        for ref in (looks.skin, looks.hair)
    )
    assert to_skin[0] < to_skin[1]
    assert to_hair[1] < to_hair[0]


def test_fingers_bend_into_the_palm_and_the_thumb_is_in_front() -> None:
    """A hanging hand: fingers curl towards the thigh, the thumb is in front."""
    body = DETAILED_PERSON.body
    flat, fist = (body.forward({n: a for n, a in GESTURES[g].items() if 'wrist' not in n})[0] for g in ('flat', 'fist'))
    for finger in ('forefinger', 'middle_finger', 'ring_finger', 'pinky_finger'):
        assert fist[f'left_{finger}3'][0] < flat[f'left_{finger}3'][0] - 0.015
        assert fist[f'left_{finger}4'][1] > flat[f'left_{finger}4'][1] + 0.015
    assert flat['left_thumb4'][2] > flat['left_forefinger4'][2] > flat['left_pinky_finger4'][2]


def test_animal_stands_on_four_feet() -> None:
    body = QUADRUPED.body
    positions, _ = body.forward(GAITS['stand'])
    toes = [positions[f'{side}_{end}_toe'][1] for side in ('left', 'right') for end in ('front', 'back')]
    assert np.ptp(toes) < 0.03
    assert max(toes) < min(position[1] for name, position in positions.items() if 'toe' not in name)
    assert positions['left_hock'][2] < positions['left_knee'][2]  # hocks point backwards, knees forwards
    assert positions['nose'][2] > positions['withers'][2] > positions['rump'][2] > positions['tail_tip'][2]


@pytest.mark.parametrize(('species', 'tables'), [(PERSON, FAMILIES), (QUADRUPED, GAITS), (DETAILED_PERSON, GESTURES)])
def test_pose_tables_are_inside_the_joint_limits(species, tables: dict) -> None:
    """No angle in the tables is clipped."""
    for family, angles in tables.items():
        clipped = species.body.clip(angles)
        for name, turn in angles.items():
            np.testing.assert_allclose(clipped[name], turn, err_msg=f'{family} {name}')


def test_gestures_of_both_hands_are_independent() -> None:
    rng = np.random.default_rng(0)
    species = DETAILED_PERSON
    poses = [sample_pose(rng, 'easy', species.body, species.repertoire) for _ in range(60)]
    curls = np.array([[pose['left_forefinger2'][1], -pose['right_forefinger2'][1]] for pose in poses])
    assert (np.abs(np.diff(curls)) > 30).mean() > 0.2  # one hand a fist, the other open
    assert abs(np.corrcoef(curls.T)[0, 1]) < 0.5
