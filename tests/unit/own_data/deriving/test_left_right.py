import numpy as np
import pytest

from vitpose.own_data.annotations import Instance, Labels
from vitpose.own_data.deriving.left_right import (
    find_counterparts,
    find_resultant_length,
    find_sides,
    is_left,
    says_side,
)

PAIRS = 'left_eye right_eye, LeftPaw RightPaw, eye_left eye_right, l_eye r_eye, ear-L ear-R, LEar REar, earL earR'
PAIRS += ', paw1LH_top paw1RH_top, lsho rsho, FL FR, auge_links auge_rechts, linkesOhr rechtesOhr, '
PAIRS += 'ojo_izquierdo ojo_derecho, oreille_gauche oreille_droite, oeil-gauche oeil-droit, 左目 右目'
PAIRS += (
    ', occhio_sx occhio_dx, olho_esq olho_dir, pata_izda pata_dcha, pata_izq pata_dcha, lft_eye rgt_eye, AugeLi AugeRe'
)
PAIRS += ', 왼쪽눈 오른쪽눈, левый_глаз правый_глаз, eyel eyer, lt_eye rt_eye, pawL1 pawR1, Lpaw Rpaw'


@pytest.mark.parametrize('pair', [*PAIRS.split(', '), 'paw_l_2 paw_r_2'])
def test_names_of_the_other_side(pair):
    left, right = pair.split()
    for name, other in ((left, right), (right, left)):
        assert other in find_counterparts(name)
        sides = find_sides(Labels(['nose', name, other]))
        assert sides.mirror == [0, 2, 1] and sides.flip
        assert is_left(name, other, True) == is_left(name, other, False) == (name == left)


@pytest.mark.parametrize(
    'pair',
    ['left_eye,Right_eye', 'left eye ,right eye', 'LKnee,Rknee', 'Leye,reye', 'LeftEye,right-eye', 'paw1LH,paw4RH'],
)
def test_case_separators_and_numbers_may_differ(pair):
    left, right = pair.split(',')
    for others in (['nose'], ['L_hip', 'R_hip'], ['paw2LF', 'paw3RF']):
        sides = find_sides(Labels([right, *others, left]))
        assert sides.mirror[0] == len(others) + 1 and sides.mirror[-1] == 0 and sides.flip
    assert is_left(left, right, False) and not is_left(right, left, True)


def test_numbers_that_fit_several_names_do_not_pair_them():
    for names in (['L1', 'R1', 'L2'], ['L1', 'L2', 'R3'], ['l_leg1', 'l_leg2', 'r_leg3', 'r_leg4']):
        sides = find_sides(Labels(names))
        assert sides.mirror == ([1, 0, 2] if names[1] == 'R1' else list(range(len(names)))) and not sides.flip


SAYING = (
    'paw2LF_top L_elbow mano_izq mano_der 左耳 右耳 lt_ear Rt_Ear pawL1 earL Lpaw lpaw LPAW lelb Leye reye LEYE lear '
)
SAYING += (
    'L1 2R FL fr_paw LF rh LA RSHO LASI leftear earright mouthlefttip pata_izda dcha esq_olho dir li.Ohr OhrRe sx dx '
)
SAYING += (
    'lft_eye 왼쪽눈 오른쪽눈 левый_глаз прав eyel pawr paw_L paw-r linkesOhr ohrrechts destra direito rhip frontRPaw'
)
SILENT = 'nose tail_base skull ear Leg roll TAIL keypoint_0 upright_pole bright_spot Brightness fright cleft copyright '
SILENT += (
    'Rump RUMP ROOT RING_MCP LIP REAR rear rearTip lip rib shoulder under pedestrian link1 linked rhinion rhomboid '
)
SILENT += 'lm1 LM12 lmk_2 ldmk3 markerLED tailROI rótula lábio Gehör frère larynx rostrum lower_jaw lens handle footer'


def test_names_that_say_a_side():
    assert [name for name in SAYING.split() if not says_side(name)] == []
    assert [name for name in SILENT.split() if says_side(name)] == []
    for name in SAYING.split():  # a single name without a counterpart turns flips off
        assert not find_sides(Labels(['left_hip', 'right_hip', name, 'snout'])).flip, name
    assert find_sides(Labels(['left_hip', 'right_hip', *SILENT.split()])).flip
    assert find_sides(Labels(SILENT.split())).mirror == list(range(len(SILENT.split())))


EYES, PAWS = ('left_eye', 'right_eye'), ('left_paw', 'right_paw')


def test_sides():
    known, single = Labels(['left_eye', 'a', 'b'], mirror=[0, 2, 1]), Labels(['a', 'b'], mirror=[0, 1])  # by the format
    for labels, mirror, flip, note in (
        (Labels(['left_eye', 'nose']), [0, 1], False, "'left_eye' says left or right, but no name is its counterpart"),
        (Labels(['nose', 'tail']), [0, 1], False, 'no keypoint name says left or right: training does not flip'),
        (single, [0, 1], True, '0 pairs of left and right keypoints, as declared: flipping swaps none'),
        (known, [0, 2, 1], True, '1 pairs of left and right keypoints, as declared'),
        (Labels([*EYES, *PAWS], mirror=[1, 0, 2, 3]), [1, 0, 2, 3], False, "'left_paw' and 'right_paw' are a pair by"),
        (Labels([*EYES, 'a', 'b'], flip=False), [1, 0, 2, 3], False, '(flip_idx: []): training does not flip images'),
        (Labels(['a', 'b'], flip=False), [0, 1], False, '(flip_idx: []): training does not flip images'),
    ):
        sides = find_sides(labels)
        assert (sides.mirror, sides.flip) == (mirror, flip) and note in sides.note


def instances(count, *points, spread=0.0):
    """Instances with keypoints at these places, normally distributed around them, at a random place."""
    rng = np.random.default_rng(0)
    return [
        Instance(np.column_stack((points + rng.normal(0, spread, (len(points), 2)), np.full(len(points), 2))), '')
        for _ in range(count)
    ]


def test_flips_that_the_labels_contradict_are_turned_off():
    """Where a keypoint that remains itself is always left of another, flipped instances look like no other."""
    corners = ((0, 0), (9, 0), (9, 9), (0, 9))
    own, pairs = Labels([*'abcd'], mirror=[0, 1, 2, 3]), Labels([*'abcd'], mirror=[1, 0, 3, 2])
    sides = find_sides(own, instances(20, *corners))
    assert not sides.flip and 'but a is left of b in 100% of the instances, and would be right' in sides.note
    for labels, count, spread, flip in (
        (pairs, 20, 0, True),
        (own, 9, 0, True),
        (own, 20, 20, True),
        (own, 20, 1, False),
    ):
        assert find_sides(labels, instances(count, *corners, spread=spread)).flip == flip, (labels, count, spread)
    # a frontal face: the nose is between the eyes, left of the left one
    face = Labels(['nose', 'left_eye', 'right_eye'])
    assert find_sides(face, instances(20, (5, 5), (8, 2), (2, 2))).flip
    assert not find_sides(face, instances(20, (9, 5), (8, 2), (2, 2))).flip  # always seen from one side


def test_resultant_length():
    upright, walkers = instances(40, (0, 0), (1, 50), spread=3), instances(40, (0, 0), (45, 0), (45, 40), spread=3)
    assert find_resultant_length(upright) > 0.9
    for walker in walkers[::2]:  # to the other side, feet down
        walker.keypoints[:, 0] *= -1
    assert 0.8 < find_resultant_length(walkers)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    bees = [Instance(np.array([(0, 0, 2), (9 * np.cos(a), 9 * np.sin(a), 2)]), '') for a in angles]
    assert find_resultant_length(bees) < 0.1 and find_resultant_length(bees[:9]) is None
