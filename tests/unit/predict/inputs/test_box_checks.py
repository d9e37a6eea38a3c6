"""Boxes that cannot be predicted are dropped, each with a reason; the others are kept as they are."""

import re

import numpy as np
import pytest

from vitpose.predict.inputs.box_checks import check_boxes

SIZE = (64, 48)


@pytest.mark.parametrize(
    ('box', 'reason'),
    [
        ([70, 0, 90, 10], 'box 1 .70, 0, 90, 10.: it lies outside of the image of 64x48 pixels'),
        ([0, 48, 10, 60], 'outside'),
        ([-9, 0, 0, 10], 'outside'),
        ([5, 5, 5, 10], 'it has no area'),
        ([5, 10, 9, 5], 'it has no area; expected x1 < x2 and y1 < y2'),
        ([1e8, 0, 1e8 + 1, 5], 'no area'),  # in float32
        ([0, 0, float('nan'), 5], 'expected finite numbers'),
        ([0, 0, 1e300, 5], 'expected finite numbers'),
        ([0, 0, 10**400, 5], 'expected four numbers'),
        ([0, 0, 5], r'expected four numbers x1 y1 x2 y2, found shape \(3,\)'),
        ([0, 0, 'a', 5], 'expected four numbers'),
        (None, 'expected four numbers'),
    ],
)
def test_bad_boxes_are_dropped(box, reason):
    boxes = [[1, 2, 30, 40], box, [-20, -20, 200, 200]]
    kept, scores, rows, dropped = check_boxes(boxes, [0.5, 0.6, 0.7], SIZE)
    np.testing.assert_array_equal(kept, np.array(boxes[::2], np.float32))
    np.testing.assert_array_equal(scores, np.array([0.5, 0.7], np.float32))
    assert rows.tolist() == [0, 2]
    assert len(dropped) == 1 and '\n' not in dropped[0] and re.search(reason, dropped[0]), dropped


@pytest.mark.parametrize('score', [float('nan'), float('inf')])
def test_a_box_with_a_score_that_is_not_finite_is_dropped(score):
    kept, scores, rows, dropped = check_boxes([[1, 2, 30, 40]] * 2, [score, 0.5], SIZE)
    assert (len(kept), scores.tolist(), rows.tolist()) == (1, [0.5], [1])
    assert dropped == [f'box 0 [1, 2, 30, 40]: its score is {score}: expected a finite number']


@pytest.mark.parametrize(
    ('boxes', 'scores', 'reason'),
    [
        ([], None, ''),
        (np.zeros((0, 4)), None, ''),
        (np.zeros(0), None, ''),
        ([0, 0, 9, 9], None, r'boxes \[0, 0, 9, 9\]: expected a list of boxes, .* for one box \[box\]'),
        ([[0, 0, 9, 9]], [1, 1], r'1 boxes with scores \[1, 1\]: expected one score per box'),
        ([[0, 0, 9, 9]], ['a'], 'expected N x 4 and N numbers'),
        (7, None, 'boxes 7 with scores None: expected N x 4 and N numbers'),
    ],
)
def test_no_box_is_kept_of_an_empty_list_or_of_what_is_not_a_list_of_boxes(boxes, scores, reason):
    kept, kept_scores, _, dropped = check_boxes(boxes, scores, SIZE)
    assert (kept.shape, kept.dtype, kept_scores.shape) == ((0, 4), np.float32, (0,))
    assert len(dropped) == bool(reason) and re.search(reason, ''.join(dropped)), dropped
