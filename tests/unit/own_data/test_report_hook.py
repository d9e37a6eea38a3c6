"""The estimate before a training."""

import time

import pytest

from vitpose.own_data import report_hook


@pytest.mark.parametrize(('device', 'batch'), [('cpu', 32), ('cpu', 6), ('cpu', 2), ('cpu', 1), ('cuda', 8)])
def test_a_step_has_a_part_that_does_not_grow_with_the_batch(monkeypatch, device, batch):
    now, sizes = [0.0], list[int]()

    def make_step(model, mode, size, device, dtype):
        def step():
            now[0] += 0.25 + 0.125 * size

        sizes.append(size)
        return step

    monkeypatch.setattr(report_hook, 'make_step', make_step)
    monkeypatch.setattr(time, 'perf_counter', lambda: now[0])
    assert report_hook.estimate_step({}, batch, device, 'float32') == pytest.approx(0.25 + 0.125 * batch)
    assert max(sizes) == (min(batch, 6) if device == 'cpu' else batch)
