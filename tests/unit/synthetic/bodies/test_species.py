import numpy as np
import pytest

from tests.unit.synthetic.figures import draw, stand
from vitpose.synthetic.bodies.hands import DETAILED_PERSON, GESTURES
from vitpose.synthetic.bodies.pose_families import FAMILIES, sample_pose
from vitpose.synthetic.bodies.quadruped import GAITS, QUADRUPED, sample_coat
from vitpose.synthetic.bodies.skeleton import mirror_name
from vitpose.synthetic.bodies.species import PERSON, sample_clothes


@pytest.mark.parametrize('dress', [sample_clothes, sample_coat])
def test_colors_are_the_same_on_both_sides_and_easy_ones_differ_from_the_background(dress) -> None:
    background = np.array((120.0, 130.0, 140.0))
    for seed in range(20):
        bones = dress(np.random.default_rng(seed)).bones
        for name, color in bones.items():
            np.testing.assert_array_equal(color, bones[mirror_name(name)])
        looks = dress(np.random.default_rng(seed), background)
        clothes = [looks.bones[name] for name in ('torso', 'left_upper_arm', 'left_thigh') if name in looks.bones]
        assert all(np.abs(color - background).max() > 75 for color in clothes)
        if dress is sample_clothes:
            np.testing.assert_array_equal(looks.bones['left_forearm'], looks.skin)


def test_head_shows_skin_in_front_and_hair_behind() -> None:
    figures = stand('coco', 0), stand('coco', 180)
    hues = []
    for figure in figures:
        x, y = figure.points['head'][:2].round().astype(int)
        color = draw(figure).image[y + 2, x]
        hues.append(color / np.linalg.norm(color))
    for reference, near, far in ((figures[0].looks.skin, *hues), (figures[0].looks.hair, *hues[::-1])):
        distances = [np.linalg.norm(hue - reference / np.linalg.norm(reference)) for hue in (near, far)]
        assert distances[0] < distances[1]


def test_fingers_bend_into_the_palm_and_the_thumb_is_in_front() -> None:
    body = DETAILED_PERSON.body
    flat, fist = (body.forward({n: a for n, a in GESTURES[g].items() if 'wrist' not in n})[0] for g in ('flat', 'fist'))
    for finger in ('forefinger', 'middle_finger', 'ring_finger', 'pinky_finger'):
        assert fist[f'left_{finger}3'][0] < flat[f'left_{finger}3'][0] - 0.015
        assert fist[f'left_{finger}4'][1] > flat[f'left_{finger}4'][1] + 0.015
    assert flat['left_thumb4'][2] > flat['left_forefinger4'][2] > flat['left_pinky_finger4'][2]


def test_animal_stands_on_four_feet() -> None:
    positions, _ = QUADRUPED.body.forward(GAITS['stand'])
    toes = [positions[f'{side}_{end}_toe'][1] for side in ('left', 'right') for end in ('front', 'back')]
    assert np.ptp(toes) < 0.03
    assert max(toes) < min(position[1] for name, position in positions.items() if 'toe' not in name)
    assert positions['left_hock'][2] < positions['left_knee'][2]  # hocks point backwards, knees forwards
    assert positions['nose'][2] > positions['withers'][2] > positions['rump'][2] > positions['tail_tip'][2]


@pytest.mark.parametrize(('species', 'tables'), [(PERSON, FAMILIES), (QUADRUPED, GAITS), (DETAILED_PERSON, GESTURES)])
def test_pose_tables_are_inside_the_joint_limits(species, tables: dict) -> None:
    for family, angles in tables.items():
        clipped = species.body.clip(angles)
        for name, turn in angles.items():
            np.testing.assert_allclose(clipped[name], turn, err_msg=f'{family} {name}')


def test_gestures_of_both_hands_are_independent() -> None:
    rng = np.random.default_rng(0)
    poses = [sample_pose(rng, 'easy', DETAILED_PERSON.body, DETAILED_PERSON.repertoire) for _ in range(60)]
    curls = np.array([[pose['left_forefinger2'][1], -pose['right_forefinger2'][1]] for pose in poses])
    assert (np.abs(np.diff(curls)) > 30).mean() > 0.2  # one hand a fist, the other open
    assert abs(np.corrcoef(curls.T)[0, 1]) < 0.5
