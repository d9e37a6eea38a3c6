"""Cameras and streams: the newest frame is predicted, and a stream that breaks off is opened again."""

import time
from collections import deque
from collections.abc import Generator, Iterator
from itertools import takewhile
from threading import Event, Thread
from typing import Any

import cv2
import numpy as np

from ...errors import printable, warn
from ..optional_imports import import_optional
from ..poses import Frame
from .video import as_shown, decode, describe_failure, find_stretch, open_video

RECONNECT_S = 10.0  # how long to try to reopen a stream that broke off
PAUSE_S = 0.5  # between two attempts


def read_live(name: str, address: str, every_frame: bool = False, reconnect: float = RECONNECT_S) -> Iterator[Frame]:
    """Read frames of the camera with the name 'camera 0', or of the stream with an address, until it ends.

    While the caller is busy, frames are dropped, so that the next one is the newest; with `every_frame` none is.
    `index` counts them all. Times are those of this computer's clock, from the first frame. What breaks off is opened
    again for up to `reconnect` seconds. The last item is a `Frame` with an `error`, unless a stream that has an end
    reached it.
    """
    frames = _read(import_optional('av', 'reading streams') if address else None, name, address, reconnect)
    return frames if every_frame else _keep_newest(frames)


def _keep_newest(frames: Generator[Frame, None, None]) -> Iterator[Frame]:
    """Take the frames in a thread, which does not keep the process from ending, and yield the newest one each time."""
    newest, ready, stopped, ended = deque[Frame](maxlen=1), Event(), Event(), Event()
    problems: list[Exception] = []

    def read_newest() -> None:
        try:
            for frame in takewhile(lambda _: not stopped.is_set(), frames):
                newest.append(frame)
                ready.set()
            frames.close()
        except Exception as problem:  # for example from a closed terminal
            problems.append(problem)
        ended.set()
        ready.set()

    Thread(target=read_newest, name='vitpose-live', daemon=True).start()
    try:
        while newest or not ended.is_set():
            if ready.wait(0.5):  # in between, signals arrive
                ready.clear()
                yield from [newest.pop()] if newest else []
        for problem in problems:
            raise problem
    finally:
        stopped.set()


def _read(av: Any, name: str, address: str, reconnect: float) -> Generator[Frame, None, None]:
    index, start, lost = 0, 0.0, 0.0
    while True:
        problem = 'no more images'
        try:
            for image in _connect(av, address) if av else _open_camera(int(name.split()[1])):
                if image is None:
                    return
                now = time.monotonic()
                start = start or now
                if lost:
                    warn(printable(f'{name}: connected again after {now - lost:.1f} s'))
                lost = 0.0
                yield Frame(name, image, index, now - start)
                index += 1
        except Exception as raised:  # of any library
            problem = describe_failure(raised)
        if index and not lost:
            lost = time.monotonic()
            warn(printable(f'{name} broke off ({problem}): reconnecting for up to {reconnect:g} s'))
        if not index or time.monotonic() - lost >= reconnect:
            kept = f'; not back within {reconnect:g} s; {index} frames were received' if index else ''
            yield Frame(name, None, index, error=f'cannot be read: {problem}{kept}')
            return
        time.sleep(min(PAUSE_S, reconnect))


def _open_camera(index: int) -> Iterator[np.ndarray]:
    camera = cv2.VideoCapture(index)
    try:
        while (image := camera.read()[1]) is not None:
            yield image
    finally:
        camera.release()


def _connect(av: Any, address: str) -> Iterator[np.ndarray | None]:
    """Yield the images of one connection; None at the end of a stream whose header says how long it is."""
    options = {'rtsp_transport': 'tcp'} if address.startswith('rtsp') else {}
    with open_video(av, address, **options) as container:
        stream = container.streams.video[0]
        stream.thread_type = 'SLICE'  # threads for several frames delay each frame
        stretch = find_stretch(stream)
        yield from (as_shown(picture, stretch) for picture in decode(av, container, stream) if picture)
        if container.duration:
            yield None
