"""Measuring with made-up contestants and a made-up clock."""

import numpy as np
import pytest
import torch

from vitpose.bench import rounds
from vitpose.bench.contestant import REFERENCE, Contestant
from vitpose.bench.rounds import STAGES, measure

CPU = torch.device('cpu')


class Fake(Contestant):
    """Keypoints (2, 3, 2); each stage takes `seconds` times 1, 2, 3 and, end to end, 4."""

    clock = 0.0

    def __init__(self, seconds=1.0, staged=0.0, whole=0.0, people=2):
        self.seconds, self.moved, self.people = seconds, (staged, whole), people

    def _spend(self, factor):
        Fake.clock += factor * self.seconds

    def _keypoints(self, moved):
        keypoints = np.zeros((self.people, 3, 2), np.float32)
        keypoints[-1, -1] = 3 * moved, 4 * moved
        return keypoints

    def preprocess(self, images, boxes):
        self._spend(1)

    def network(self, inputs):
        self._spend(2)

    def decode(self, inputs, outputs):
        self._spend(3)
        return self._keypoints(self.moved[0])

    def predict(self, images, boxes):
        self._spend(4)
        return self._keypoints(self.moved[1])


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(rounds.time, 'perf_counter', lambda: Fake.clock)


def test_times_are_of_each_stage_and_round_and_the_warm_up_is_not_among_them():
    results = measure({REFERENCE: Fake(), 'slow': Fake(5.0)}, [], [], 3, CPU)
    for name, seconds in ((REFERENCE, 1.0), ('slow', 5.0)):
        for factor, stage in enumerate(STAGES, 1):
            np.testing.assert_allclose(results[name].seconds[stage], [factor * seconds] * 3)
            np.testing.assert_allclose(results[name].rate(stage), 2 / (factor * seconds))


def test_rate_gives_median_and_quartiles_of_people_per_second():
    result = rounds.Result(8, 0.0, 0.0)
    result.seconds['network'] = [1.0, 2.0, 4.0, 8.0, 8.0]
    assert result.rate('network') == (1.0, 2.0, 4.0)


def test_contestants_alternate_and_the_order_is_reversed():
    order = []
    measure({REFERENCE: Fake(), 'a': Fake(), 'b': Fake()}, [], [], 2, CPU, order.append)
    assert order == [REFERENCE, 'a', 'b', REFERENCE, 'a', 'b', 'b', 'a', REFERENCE]


@pytest.mark.parametrize('way', ['staged', 'whole'])
def test_difference_is_the_largest_of_both_ways_to_predict(way):
    result = measure({REFERENCE: Fake(), 'other': Fake(**{way: 2.0})}, [], [], 1, CPU)['other']
    assert (result.largest_px, result.median_px) == (10.0, 0.0)


def test_reference_is_compared_with_itself():
    assert measure({REFERENCE: Fake(whole=1.0)}, [], [], 1, CPU)[REFERENCE].largest_px == 5.0


def test_nan_is_not_lost():
    result = measure({REFERENCE: Fake(), 'other': Fake(staged=float('nan'))}, [], [], 1, CPU)['other']
    assert np.isnan(result.largest_px)


def test_bad_input():
    with pytest.raises(ValueError, match='--rounds 0: expected at least 1'):
        measure({REFERENCE: Fake()}, [], [], 0, CPU)
    with pytest.raises(ValueError, match=r'other: keypoints of shape \(1, 3, 2\), the reference has \(2, 3, 2\)'):
        measure({REFERENCE: Fake(), 'other': Fake(people=1)}, [], [], 1, CPU)
    broken = Fake()
    broken.network = None
    with pytest.raises(RuntimeError, match='other failed: TypeError'):
        measure({REFERENCE: Fake(), 'other': broken}, [], [], 1, CPU)
