import math

import cv2
import pytest

from projects.studies.verdict import Claim, draw_verdicts, judge, paired, verdict_table


def test_the_interval_is_that_of_students_t():
    verdict = judge([0.01, 0.02, 0.03])  # mean 0.02, deviation 0.01; 97.5% quantile of t with 2 degrees: 4.302653
    assert verdict.mean == pytest.approx(0.02) and verdict.half == pytest.approx(4.302653 * 0.01 / math.sqrt(3))
    assert verdict.half > verdict.mean and verdict.word == 'undecided' and verdict.seeds == 3


def test_both_signs():
    words = [judge([sign * value for value in (0.029, 0.030, 0.031)]).word for sign in (1, -1)]
    assert words == ['agrees', 'disagrees']
    assert judge([-0.01, 0.03, 0.0]).word == 'undecided'
    # the edge: the half width is 2.4841 times the deviation of three seeds
    assert judge([0.02484 - 0.01, 0.02484, 0.02484 + 0.01]).word == 'undecided'
    assert judge([0.02485 - 0.01, 0.02485, 0.02485 + 0.01]).word == 'agrees'


def test_equal_differences_have_no_spread():
    assert [judge([value] * 3).word for value in (0.5, -0.5, 0.0)] == ['agrees', 'disagrees', 'undecided']


def test_fewer_than_two_seeds_decide_nothing():
    one, none = judge([0.4]), judge([])
    assert (one.word, one.seeds, one.mean, one.half) == ('undecided', 1, 0.4, math.inf)
    assert none.word == 'undecided' and none.seeds == 0 and math.isnan(none.mean)


def test_scores_are_paired_by_seed():
    claim = Claim('drop', {'a': 1, 'b': -1, 'c': -1, 'd': 1})
    scores = {'a': {0: 5.0, 1: 6.0, 2: 7.0}, 'b': {1: 1.0, 0: 2.0}, 'c': {0: 1.0, 1: 1.0}, 'd': {0: 0.5, 1: 0.25, 2: 0}}
    assert paired(claim, scores) == [5 - 2 - 1 + 0.5, 6 - 1 - 1 + 0.25]
    assert paired(claim, {'a': scores['a']}) == []


def test_table_and_picture(tmp_path):
    claims = Claim('up', {}, 0.011), Claim('down', {}), Claim('one', {}, -0.5), Claim('none', {})
    gains = [0.02, 0.021, 0.022], [-0.02, -0.021, -0.022], [0.25], []
    judged = list(zip(claims, map(judge, gains), strict=True))
    assert verdict_table(judged)[2:] == [
        '| up | +0.011 | +0.021 ± 0.002 | 3 | agrees |',
        '| down |  | -0.021 ± 0.002 | 3 | disagrees |',
        '| one | -0.500 | +0.250 | 1 | undecided |',
        '| none |  |  | 0 | undecided |',
    ]
    draw_verdicts(judged, tmp_path / 'verdicts.png', 'AP')
    picture = cv2.imread(str(tmp_path / 'verdicts.png'))
    for bgr in ((0x3E, 0x8A, 0x2A), (0x2B, 0x39, 0xC0), (0x80, 0x80, 0x80)):  # all three verdicts are drawn
        assert (abs(picture.astype(int) - bgr).max(-1) < 8).sum() > 20
