"""Pairs of left and right, boxes and input size, against values worked out by hand."""

import numpy as np
import pytest

from vitpose.own_data.annotations import Instance, Labels
from vitpose.own_data.derive import box_of, find_sides, input_size, is_left, other_sides


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
    assert other in other_sides(name) and name in other_sides(other)
    sides = find_sides(Labels(['nose', name, other]))
    assert sides.mirror == [0, 2, 1] and sides.flip
    left = name in ('left_eye', 'eye_left', 'l_eye', 'LEar', 'earL', 'paw_l_2')
    assert is_left(name, other, True) == is_left(name, other, False) == left


@pytest.mark.parametrize('name', ['nose', 'tail_base', 'skull', 'ear', 'Leg', 'roll', 'TAIL'])
def test_names_without_a_side(name):
    assert other_sides(name) == []


def test_a_side_without_partner_turns_flipping_off():
    sides = find_sides(Labels(['left_eye', 'nose']))
    assert not sides.flip and sides.mirror == [0, 1] and "'left_eye' has a side and no partner" in sides.note


def test_without_sides_keypoints_remain_themselves():
    sides = find_sides(Labels(['nose', 'tail']))
    assert sides.flip and sides.mirror == [0, 1] and 'each keypoint remains itself' in sides.note


def test_the_format_knows_better():
    sides = find_sides(Labels(['left_eye', 'nose', 'mouth'], mirror=[0, 2, 1]))
    assert sides.mirror == [0, 2, 1] and sides.flip and '1 pairs of left and right keypoints' in sides.note


def test_boxes():
    points = np.array([(10, 20, 2), (50, 40, 1), (500, 500, 0)], float)
    assert box_of(Instance(points, '')) == (4, 14, 52, 32)  # 15% of 40 on each side
    assert box_of(Instance(points[:1], '')) == (8, 18, 4, 4)
    assert box_of(Instance(points, '', (1, 2, 3, 4))) == (1, 2, 3, 4)


@pytest.mark.parametrize(('ratio', 'size'), [(2, (192, 256)), (1.0, (224, 224)), (0.5, (256, 192))])
def test_input_size(ratio, size):
    found, why = input_size([(0, 0, 10, 10 * ratio), (0, 0, 20, 20 * ratio), (0, 0, 0, 5)])
    assert found == size and f'{ratio:.2f}' in why and not any(side % 16 for side in found)
