import pytest

from vitpose.own_data.annotations import Labels
from vitpose.own_data.deriving.left_right import find_counterparts, find_sides, is_left

PAIRS = 'left_eye right_eye, LeftPaw RightPaw, eye_left eye_right, l_eye r_eye, ear-L ear-R, LEar REar, earL earR'


@pytest.mark.parametrize('pair', [*PAIRS.split(', '), 'paw_l_2 paw_r_2'])
def test_names_of_the_other_side(pair):
    left, right = pair.split()
    for name, other in ((left, right), (right, left)):
        assert other in find_counterparts(name)
        sides = find_sides(Labels(['nose', name, other]))
        assert sides.mirror == [0, 2, 1] and sides.flip
        assert is_left(name, other, True) == is_left(name, other, False) == (name == left)


def test_names_without_a_side():
    for name in ('nose', 'tail_base', 'skull', 'ear', 'Leg', 'roll', 'TAIL'):
        assert find_counterparts(name) == []


def test_sides():
    known = Labels(['left_eye', 'a', 'b'], mirror=[0, 2, 1])  # by the format
    for labels, mirror, flip, note in (
        (Labels(['left_eye', 'nose']), [0, 1], False, "'left_eye' says left or right, but no name is its counterpart"),
        (Labels(['nose', 'tail']), [0, 1], True, 'without swapping keypoints'),
        (known, [0, 2, 1], True, '1 pairs of left and right keypoints, from'),
    ):
        sides = find_sides(labels)
        assert (sides.mirror, sides.flip) == (mirror, flip) and note in sides.note
