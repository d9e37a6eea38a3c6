"""Cameras and streams: the newest frame is predicted, and a stream that breaks off is opened again."""

import sys
import time
from collections import deque
from collections.abc import Generator, Iterator
from itertools import count, takewhile
from threading import Event, Thread
from typing import Any

from ...errors import one_line, printable
from ..extras import need
from ..poses import Frame
from .video import as_shown, decode, find_stretch

RECONNECT_S = 10.0  # how long a stream that broke off is opened again
ANSWER_S = 10  # without an answer or a frame, after which a stream has broken off
PAUSE_S = 0.5  # between two attempts


def read_live(name: str, address: str, every_frame: bool = False, reconnect: float = RECONNECT_S) -> Iterator[Frame]:
    """Frames of a camera or a stream until it ends, or the caller stops.

    While the caller is busy, frames are dropped, so that the next one is the newest; `index` counts them all the same.
    Times are those of this computer's clock, from the first frame. The last item is a `Frame` with an `error`, unless
    a stream that has an end reached it.

    Args:
        name: of the frames; 'camera 0' is the camera with this index.
        address: of a stream, for PyAV.
        every_frame: drop none: the stream waits, or what sends it drops some.
        reconnect: seconds in which a stream that broke off is opened again.
    """
    frames = _read_stream(need('av', 'reading streams'), name, address, reconnect) if address else _read_camera(name)
    return frames if every_frame else _keep_newest(frames)


def _keep_newest(frames: Generator[Frame, None, None]) -> Iterator[Frame]:
    """Take the frames in a thread, which does not keep the process from ending, and yield the newest one each time."""
    newest, ready, stopped, ended = deque[Frame](maxlen=1), Event(), Event(), Event()

    def take() -> None:
        for frame in takewhile(lambda _: not stopped.is_set(), frames):
            newest.append(frame)
            ready.set()
        frames.close()
        ended.set()
        ready.set()

    Thread(target=take, name='vitpose-live', daemon=True).start()
    try:
        while newest or not ended.is_set():
            if ready.wait(0.5):  # in between, signals arrive
                ready.clear()
                yield from [newest.pop()] if newest else []
    finally:
        stopped.set()


def _read_camera(name: str) -> Generator[Frame, None, None]:
    import cv2

    camera = cv2.VideoCapture(int(name.split()[1]))
    start = time.monotonic()
    try:
        for index in count():
            _, image = camera.read()
            error = 'the camera gave no more images' if image is None else None
            yield Frame(name, image, index, time.monotonic() - start, error=error)
            if error:
                return
    finally:
        camera.release()


def _read_stream(av: Any, name: str, address: str, reconnect: float) -> Generator[Frame, None, None]:
    options = {'rtsp_transport': 'tcp'} if address.startswith('rtsp') else {}
    index, start, lost = 0, 0.0, 0.0
    while True:
        problem = 'it ended'
        try:
            with av.open(address, options=options, timeout=(ANSWER_S, ANSWER_S)) as container:
                stream = container.streams.video[0]
                stream.thread_type = 'SLICE'  # threads for several frames delay each frame
                stretch = find_stretch(stream)
                for picture in filter(None, decode(av, container, stream)):
                    now = time.monotonic()
                    start = start or now
                    if lost:
                        print(printable(f'{name}: connected again after {now - lost:.1f} s'), file=sys.stderr)
                    lost = 0.0
                    yield Frame(name, as_shown(picture, stretch), index, now - start)
                    index += 1
                if container.duration:
                    return
        except Exception as raised:  # of any library
            problem = getattr(raised, 'strerror', None) or one_line(raised)
        if index and not lost:
            lost = time.monotonic()
            print(printable(f'{name} broke off ({problem}): reconnecting for up to {reconnect:g} s'), file=sys.stderr)
        if not index or time.monotonic() - lost >= reconnect:
            kept = f'; not back within {reconnect:g} s; {index} frames were received' if index else ''
            yield Frame(name, None, index, error=f'the stream cannot be read: {problem}{kept}')
            return
        time.sleep(min(PAUSE_S, reconnect))
