"""Run an iterator ahead in a thread."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from threading import Condition, Thread
from typing import TypeVar

Item = TypeVar('Item')
POLL = 0.05  # seconds between looks at whether there is room
PATIENCE = 2.0  # seconds to wait for an iterable that is stopped, for example a camera


def prefetch(items: Iterable[Item], has_room: Callable[[Sequence[Item]], bool]) -> Iterator[Item]:
    """Yield the items in order, while a thread takes more: one, and the next ones while `has_room(those that wait)`.

    An exception of the iterable is raised here, after the items before it. When this generator is closed, the thread
    closes the iterable after the item that it is waiting for.
    """
    waiting: deque[Item] = deque()
    changed = Condition()
    stopped = ended = False
    problem: BaseException | None = None

    def work() -> None:
        nonlocal ended, problem
        iterator: Iterator[Item] = iter(())
        try:
            iterator = iter(items)
            for item in iterator:
                with changed:
                    waiting.append(item)
                    del item  # not kept until the next one arrives
                    changed.notify_all()
                    while not stopped and waiting and not has_room(tuple(waiting)):
                        changed.wait(POLL)
                if stopped:
                    break
        except BaseException as error:
            problem = error
        with changed:
            ended = True
            changed.notify_all()
        if hasattr(iterator, 'close'):
            with suppress(Exception):  # nobody waits for it any more
                iterator.close()

    thread = Thread(target=work, name='vitpose-prefetch', daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: waiting or ended)
            if not waiting:
                break
            yield waiting.popleft()
        if problem is not None:
            raise problem
    finally:
        with changed:
            stopped = True
            changed.notify_all()
        thread.join(PATIENCE)
