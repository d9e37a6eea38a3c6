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


def up_to(count):
    return lambda waiting: len(waiting) < count


def wait_for(condition):
    return any(condition() or time.sleep(0.01) for _ in range(200))


def test_items_arrive_in_order_and_the_thread_ends():
    before = set(threading.enumerate())
    assert list(prefetch(range(100), up_to(3))) == list(range(100))
    assert wait_for(lambda: set(threading.enumerate()) <= before)


def test_it_runs_ahead_by_a_bounded_number():
    taken = []
    items = prefetch(counted(taken), up_to(3))
    assert next(items) == 0
    assert wait_for(lambda: len(taken) == 4)  # the first, and three that wait
    time.sleep(0.1)
    assert len(taken) == 4
    items.close()
    assert taken[-1] == 'closed' and len(taken) == 5
    assert list(prefetch(range(9), up_to(0))) == list(range(9))  # one waits, even if there is no room


def test_an_exception_arrives_after_the_items_before_it():
    def broken():
        yield 1
        raise OSError('camera unplugged')

    items = prefetch(broken(), up_to(2))
    assert next(items) == 1
    with pytest.raises(OSError, match='camera unplugged'):
        next(items)


def test_closing_stops_nested_threads():
    taken, before = [], threading.active_count()
    items = prefetch(prefetch(counted(taken), up_to(2)), up_to(2))
    next(items)
    items.close()
    assert taken[-1] == 'closed'
    assert wait_for(lambda: threading.active_count() == before)


class Broken:
    """An iterable whose `iter`, `next` or `close` fails."""

    def __init__(self, method):
        self.method = method

    def __iter__(self):
        return self.fail('iter') or self

    def __next__(self):
        return self.fail('next') or 1

    def close(self):
        self.fail('close')

    def fail(self, method):
        if method == self.method:
            raise OSError(method)


@pytest.mark.filterwarnings('error')  # of an exception in a thread
@pytest.mark.parametrize('method', ['iter', 'next', 'close'])
def test_the_thread_ends_whatever_fails(method):
    before, items = set(threading.enumerate()), prefetch(Broken(method), up_to(2))
    if method == 'close':
        assert next(items) == 1
        items.close()
    else:
        with pytest.raises(OSError, match=method):
            next(items)
    assert wait_for(lambda: set(threading.enumerate()) <= before)
