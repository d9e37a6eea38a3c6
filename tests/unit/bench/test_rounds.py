import numpy as np
import pytest
import torch

from vitpose.bench import rounds
from vitpose.bench.contestant import REFERENCE, Contestant
from vitpose.bench.rounds import STAGES


class Fake(Contestant):
    """Keypoints (2, 3, 2); each stage takes `seconds` times 1, 2, 3 and, end to end, 4."""

    clock = 0.0

    def __init__(self, seconds=1.0, staged=0.0, whole=0.0, people=2):
        self.seconds, self.staged, self.whole, self.people = seconds, staged, whole, people

    def _spend(self, factor, moved=0.0):
        Fake.clock += factor * self.seconds
        keypoints = np.zeros((self.people, 3, 2), np.float32)
        keypoints[-1, -1] = 3 * moved, 4 * moved
        return keypoints

    def preprocess(self, images, boxes):
        return self._spend(1)

    def network(self, inputs):
        return self._spend(2)

    def decode(self, inputs, outputs):
        return self._spend(3, self.staged)

    def predict(self, images, boxes):
        return self._spend(4, self.whole)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(rounds.time, 'perf_counter', lambda: Fake.clock)


def measure(count=1, *progress, **contestants):
    return rounds.measure({REFERENCE: Fake(), **contestants}, [], [], count, torch.device('cpu'), *progress)


def test_times_are_of_each_stage_and_round_and_the_warm_up_is_not_among_them():
    results = measure(3, slow=Fake(5.0))
    for name, seconds in ((REFERENCE, 1.0), ('slow', 5.0)):
        for factor, stage in enumerate(STAGES, 1):
            np.testing.assert_allclose(results[name].seconds[stage], [factor * seconds] * 3)
            np.testing.assert_allclose(results[name].rate(stage), 2 / (factor * seconds))
    quartiles = rounds.Result(8, 0.0, 0.0, {'network': [1.0, 2.0, 4.0, 8.0, 8.0]}).rate('network')
    assert quartiles == (1.0, 2.0, 4.0)  # people per second


def test_contestants_alternate_and_the_order_is_reversed():
    order = []
    measure(2, order.append, a=Fake(), b=Fake())
    assert order == [REFERENCE, 'a', 'b', REFERENCE, 'a', 'b', 'b', 'a', REFERENCE]


def test_difference_is_the_largest_of_both_ways_to_predict_and_nan_is_not_lost():
    nan = float('nan')
    contestants = {REFERENCE: Fake(whole=1.0), 'staged': Fake(staged=3.0), 'whole': Fake(whole=3.0)}
    results = measure(**contestants, nan=Fake(staged=nan))
    pixels = [results[name].largest_px for name in (*contestants, 'nan')]
    np.testing.assert_array_equal(pixels, [5.0, 10.0, 10.0, nan])  # the reference's end to end prediction is at 5
    assert results['whole'].median_px == 0


def test_bad_contestants():
    with pytest.raises(ValueError, match=r'other: keypoints of shape \(1, 3, 2\), the reference has \(2, 3, 2\)'):
        measure(other=Fake(people=1))
    with pytest.raises(RuntimeError, match='other failed: TypeError'):
        measure(other=Fake('not a number'))
