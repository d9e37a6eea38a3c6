"""Run an iterator ahead in a thread."""

import contextlib
from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

Item = TypeVar('Item')
POLL = 0.05  # seconds between looks at whether the consumer has stopped
PATIENCE = 2.0  # seconds to wait for an iterable that is stopped, for example a camera


def prefetch(items: Iterable[Item], ahead: int) -> Iterator[Item]:
    """Yield the items in order, while a thread takes up to `ahead` more from the iterable.

    An exception of the iterable is raised here, after the items before it. When this generator is closed, the thread
    closes the iterable after the item that it is waiting for.
    """
    queue: Queue[tuple[str, Any]] = Queue(ahead)
    stopped = Event()

    def put(kind: str, value: Any = None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(Full):
                return queue.put((kind, value), timeout=POLL)

    def work() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                put('item', item)
                del item  # not kept until the next one arrives
                if stopped.is_set():
                    break
            put('end')
        except BaseException as problem:
            put('error', problem)
        finally:
            if hasattr(iterator, 'close'):
                iterator.close()

    thread = Thread(target=work, name='vitpose-prefetch', daemon=True)
    thread.start()
    try:
        while (message := queue.get())[0] == 'item':
            yield message[1]
        if message[0] == 'error':
            raise message[1]
    finally:
        stopped.set()
        thread.join(PATIENCE)
