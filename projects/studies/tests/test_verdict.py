import math

import cv2
import numpy as np
import pytest
from scipy.stats import ttest_1samp

from projects.studies.verdict import EQUAL, Claim, draw_verdicts, judge, paired, seeds_needed, verdict_table


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
    assert [judge([value] * 3).word for value in (0.5, -0.5, 0.0)] == ['agrees', 'disagrees', 'equal']


def test_scipys_tests_give_the_same_words():
    rng, words = np.random.default_rng(0), set()
    for _ in range(80):
        values = rng.normal(rng.normal(0, 0.004), rng.choice([0.001, 0.003, 0.01]), rng.integers(2, 6))
        if ttest_1samp(values, 0).pvalue < 0.05:
            word = 'agrees' if values.mean() > 0 else 'disagrees'
        else:
            sides = ttest_1samp(values, -EQUAL, alternative='greater'), ttest_1samp(values, EQUAL, alternative='less')
            word = 'equal' if max(side.pvalue for side in sides) < 0.05 else 'undecided'
        assert judge(values.tolist()).word == word
        words.add(word)
    assert len(words) == 4


@pytest.mark.parametrize(('effect', 'seeds'), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_needed_are_those_of_published_tables(effect, seeds):
    assert seeds_needed(0.01, effect / 100) == seeds  # G*Power's, for 80% at 5%


def test_an_undecided_claim_says_how_many_seeds_it_needs():
    values = [-0.01, 0.03, 0.01]  # deviation 0.02
    assert judge(values, 0.02).needed == 10  # an effect of 1
    assert judge(values, 0.001).needed == judge(values).needed == seeds_needed(0.02, EQUAL) > 100
    assert judge([0.029, 0.030, 0.031], 0.02).needed is None


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
    claims = Claim('up', {'a': 1, 'b': -1}, 0.011), Claim('down', {}), Claim('one', {}, -0.5), Claim('none', {})
    claims += Claim('same', {}, 0.002), Claim('noisy', {}, 0.02)
    gains = [0.02, 0.021, 0.022], [-0.02, -0.021, -0.022], [0.25], [], [0.001, -0.001, 0.0], [-0.01, 0.03, 0.01]
    judged = [(claim, judge(values, claim.paper)) for claim, values in zip(claims, gains, strict=True)]
    assert verdict_table(judged)[2:] == [
        '| up | +0.011 | +0.021 ± 0.002 | 3 | agrees |',
        '| down |  | -0.021 ± 0.002 | 3 | disagrees |',
        '| one | -0.500 | +0.250 | 1 | undecided |',
        '| none |  |  | 0 | undecided |',
        '| same | +0.002 | +0.000 ± 0.002 | 3 | equal |',
        '| noisy | +0.020 | +0.010 ± 0.050 | 3 | undecided, needs 10 seeds |',
    ]
    means = [dict(a=(0.6, 0.7), b=(0.5, None)), *({} for _ in claims[1:])]
    draw_verdicts(judged, tmp_path / 'verdicts.png', 'AP', means)
    picture = cv2.imread(str(tmp_path / 'verdicts.png')).astype(int)
    for bgr in ((0x3E, 0x8A, 0x2A), (0x2B, 0x39, 0xC0), (0x80, 0x80, 0x80), (0xBB, 0x6F, 0x2C)):  # all verdicts
        assert (abs(picture - bgr).max(-1) < 8).sum() > 20
    left = picture[:, : picture.shape[1] // 2]
    assert (abs(left - (0x3E, 0x8A, 0x2A)).max(-1) < 8).sum() > 20  # the scores of the first claim's rows
