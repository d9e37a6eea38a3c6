"""A thread runs ahead by a bounded number of items; exceptions arrive in order; a closed consumer stops the thread."""

import threading
import time

import pytest

from vitpose.predict.prefetch import prefetch


def counted(taken):
    try:
        for i in range(1000):
            taken.append(i)
            yield i
    finally:
        taken.append('closed')


def wait_for(condition):
    return any(condition() or time.sleep(0.01) for _ in range(200))


def test_items_arrive_in_order_and_the_thread_ends():
    before = set(threading.enumerate())
    assert list(prefetch(range(100), 3)) == list(range(100))
    assert wait_for(lambda: set(threading.enumerate()) <= before)


def test_it_runs_ahead_by_a_bounded_number():
    taken = []
    items = prefetch(counted(taken), 3)
    assert next(items) == 0
    assert wait_for(lambda: len(taken) == 5)  # the first, three in the queue, and one that waits for a slot
    time.sleep(0.1)
    assert len(taken) == 5
    items.close()
    assert taken[-1] == 'closed' and len(taken) == 6


def test_an_exception_arrives_after_the_items_before_it():
    def broken():
        yield 1
        raise OSError('camera unplugged')

    items = prefetch(broken(), 2)
    assert next(items) == 1
    with pytest.raises(OSError, match='camera unplugged'):
        next(items)


def test_closing_stops_nested_threads():
    taken, before = [], threading.active_count()
    items = prefetch(prefetch(counted(taken), 2), 2)
    next(items)
    items.close()
    assert taken[-1] == 'closed'
    assert wait_for(lambda: threading.active_count() == before)
