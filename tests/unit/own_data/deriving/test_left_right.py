"""Pairs of left and right keypoints, against values worked out by hand."""

import pytest

from vitpose.own_data.annotations import Labels
from vitpose.own_data.deriving.left_right import find_counterparts, find_sides, is_left


@pytest.mark.parametrize(
    ('name', 'other'),
    [
        ('left_eye', 'right_eye'),
        ('RightPaw', 'LeftPaw'),
        ('eye_left', 'eye_right'),
        ('l_eye', 'r_eye'),
        ('ear-R', 'ear-L'),
        ('LEar', 'REar'),
        ('earL', 'earR'),
        ('paw_l_2', 'paw_r_2'),
    ],
)
def test_names_of_the_other_side(name, other):
    assert other in find_counterparts(name) and name in find_counterparts(other)
    sides = find_sides(Labels(['nose', name, other]))
    assert sides.mirror == [0, 2, 1] and sides.flip
    left = name in ('left_eye', 'eye_left', 'l_eye', 'LEar', 'earL', 'paw_l_2')
    assert is_left(name, other, True) == is_left(name, other, False) == left


@pytest.mark.parametrize('name', ['nose', 'tail_base', 'skull', 'ear', 'Leg', 'roll', 'TAIL'])
def test_names_without_a_side(name):
    assert find_counterparts(name) == []


def test_a_side_without_partner_turns_flipping_off():
    sides = find_sides(Labels(['left_eye', 'nose']))
    assert (
        not sides.flip
        and sides.mirror == [0, 1]
        and "'left_eye' says left or right, but no name is its counterpart" in sides.note
    )


def test_without_sides_keypoints_remain_themselves():
    sides = find_sides(Labels(['nose', 'tail']))
    assert sides.flip and sides.mirror == [0, 1] and 'without swapping keypoints' in sides.note


def test_the_format_knows_better():
    sides = find_sides(Labels(['left_eye', 'nose', 'mouth'], mirror=[0, 2, 1]))
    assert sides.mirror == [0, 2, 1] and sides.flip and '1 pairs of left and right keypoints' in sides.note
