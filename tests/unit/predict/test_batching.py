"""Boxes that cannot be predicted are dropped, each with a reason; the others are kept as they are."""

import re

import numpy as np
import pytest

from vitpose.errors import InputError
from vitpose.predict.batching import Batch, select_boxes, start_work
from vitpose.predict.models.crops import CropRule
from vitpose.predict.poses import Frame

SIZE = (64, 48)


@pytest.mark.parametrize(
    ('box', 'reason'),
    [
        ([70, 0, 90, 10], 'box 1 .70.0, 0.0, 90.0, 10.0.: it lies outside of the image of 64x48 pixels'),
        ([0, 48, 10, 60], 'outside'),
        ([-9, 0, 0, 10], 'outside'),
        ([5, 5, 5, 10], 'it has no area'),
        ([5, 10, 9, 5], 'it has no area; expected x1 < x2 and y1 < y2'),
        ([1e8, 0, 1e8 + 1, 5], 'no area'),  # in float32
        ([0, 0, float('nan'), 5], 'expected finite numbers'),
        ([0, 0, 1e300, 5], 'expected finite numbers'),
    ],
)
def test_bad_boxes_are_dropped(box, reason):
    boxes = [[1, 2, 30, 40], box, [-20, -20, 200, 200]]
    kept, scores, rows, dropped = select_boxes(boxes, [0.5, 0.6, 0.7], SIZE)
    np.testing.assert_array_equal(kept, np.array(boxes[::2], np.float32))
    np.testing.assert_array_equal(scores, np.array([0.5, 0.7], np.float32))
    assert rows.tolist() == [0, 2]
    assert len(dropped) == 1 and '\n' not in dropped[0] and re.search(reason, dropped[0]), dropped


@pytest.mark.parametrize('score', [float('nan'), float('inf')])
def test_a_box_with_a_score_that_is_not_finite_is_dropped(score):
    kept, scores, rows, dropped = select_boxes([[1, 2, 30, 40]] * 2, [score, 0.5], SIZE)
    assert (len(kept), scores.tolist(), rows.tolist()) == (1, [0.5], [1])
    assert dropped == ['box 0 [1.0, 2.0, 30.0, 40.0]: its score is not finite']


@pytest.mark.parametrize('boxes', [[], np.zeros((0, 4)), np.zeros(0)])
def test_no_boxes(boxes):
    kept, scores, _, dropped = select_boxes(boxes, None, SIZE)
    assert (kept.shape, kept.dtype, scores.shape, dropped) == ((0, 4), np.float32, (0,), [])


@pytest.mark.parametrize(
    ('boxes', 'scores', 'reason'),
    [
        ([0, 0, 9, 9], None, r'boxes \[0, 0, 9, 9\] with .*: expected N x 4 .* \(a single box as \[box\]\)'),
        ([[0, 0, 9, 9]], [1, 1], r'with scores \[1, 1\]: expected .* and N scores'),
        ([[0, 0, 5]], None, 'expected N x 4 numbers'),
        ([None], None, 'expected N x 4 numbers'),
        ([[0, 0, 9, 9], [0, 0, 5]], None, 'setting an array element'),
        ([[0, 0, 10**400, 5]], None, 'too large'),
        ([[0, 0, 'a', 5]], None, 'could not convert'),
        ([[0, 0, 9, 9]], ['a'], 'could not convert'),
        (7, None, 'boxes 7 with scores None: '),
    ],
)
def test_what_is_not_n_boxes_and_n_scores_is_an_error(boxes, scores, reason):
    with pytest.raises(InputError, match=reason) as caught:
        select_boxes(boxes, scores, SIZE)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('use_udp', [False, True])
def test_covariances_are_scaled_as_keypoints_are(use_udp):
    """Two keypoints one input pixel apart in x and two in y: their difference as a covariance, before and after."""
    rule = CropRule((48, 64), use_udp=use_udp)
    work = start_work(Frame('a', np.zeros((90, 70, 3), np.uint8), boxes=[[5, 10, 65, 40]]), rule, 2)
    step = np.array([1.0, 2.0])
    keypoints = np.stack([[[10.0, 20], [11, 22]]]).astype(np.float32)
    batch = Batch(np.zeros((1, 64, 48, 3), np.uint8), [(work, 0)])
    batch.finish(rule, keypoints, np.ones((1, 2)), dict(covariance=np.tile(np.outer(step, step), (1, 2, 1, 1))))
    moved = np.subtract(*work.poses.keypoints[0])
    np.testing.assert_allclose(work.poses.covariance[0, 0], np.outer(moved, moved), rtol=1e-5)
    assert work.poses.expected_oks is None and work.is_done
    work.fail(InputError('broken'), 'network')
    assert work.poses.covariance is None
