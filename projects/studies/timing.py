"""Times of functions that take turns, so that other load on the machine slows all of them equally."""

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any


def alternate(
    calls: Mapping[str, Callable[[], Any]],
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    done: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Seconds of each call, by name: all in turn, after rounds that warm up; `done` is called after each."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(-warm_up, rounds):
        for name, call in calls.items():
            start = clock()
            call()
            if turn >= 0:
                times[name].append(clock() - start)
            done()
    return times


def measure_steps(
    make: Callable[[str], Callable[[], None]], variants: Sequence[str], device: str, steps: int
) -> tuple[dict[str, int], dict[str, list[float]]]:
    """Peak memory in bytes and seconds of each training step, by variant, with a progress bar.

    `make` returns the step of a variant; it belongs to a module, since processes of their own measure the memory.
    """
    from rich.progress import Progress

    from vitpose_mm.cost import peak_bytes

    peaks = {}
    with Progress(transient=True) as progress:
        task = progress.add_task('measuring', total=len(variants) * (steps + 2))
        for variant in variants:
            with multiprocessing.get_context('spawn').Pool(1) as pool:
                peaks[variant] = pool.apply(peak_bytes, (partial(make, variant), device))
            progress.advance(task)
        calls = {variant: make(variant) for variant in variants}
        return peaks, alternate(calls, steps, done=partial(progress.advance, task))
