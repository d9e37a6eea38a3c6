"""Streams of a local server: the newest frame, every frame, a stream that breaks off and one that never starts."""

import time

import pytest

from tests.unit.predict.frames import make_frame
from tests.unit.predict.http_server import Camera, serve
from vitpose.predict.inputs.live import read_live

pytest.importorskip('av')


def number(frame):
    return round(frame.image.mean() / 4)


@pytest.mark.slow
def test_the_newest_frame_is_next_and_every_frame_on_request():
    for every_frame in (False, True):
        camera, seen = Camera(60), []
        with serve(live=camera) as url:
            for frame in read_live('door', f'{url}/live', every_frame, reconnect=0):
                if frame.error is None:
                    assert number(frame) == frame.index
                    seen.append((frame.index, camera.sent - frame.index, frame.time))
                    time.sleep(0.1 * (not every_frame))
        indices, lags, times = zip(*seen, strict=True)
        assert frame.name == 'door' and frame.error.endswith('60 frames were received')
        if every_frame:
            assert indices == tuple(range(60))
        else:
            assert len(indices) < 30 and max(lags[3:]) <= 15, seen  # it would reach 45
        # times count from the first frame that was received, which may be dropped before it is seen
        assert (times[0] == 0) == (indices[0] == 0) and 0 <= times[0] < 0.5 and list(times) == sorted(times)


@pytest.mark.slow
def test_a_stream_that_breaks_off_is_opened_again_for_a_time_that_is_said(caplog):
    with serve(live=Camera(20, connections=2)) as url:
        *frames, end = read_live('door', f'{url}/live', True, reconnect=1)
    assert [number(frame) for frame in frames] == [frame.index for frame in frames] == list(range(40))
    expected = 'cannot be read: Server returned 404 Not Found; not back within 1 s; 40 frames were received'
    assert end.image is None and end.error == expected
    # PyAV logs, too, if an older torchvision was imported
    broken, again, *rest = [record.message for record in caplog.records if record.name == 'vitpose']
    assert broken == 'door broke off (Input/output error): reconnecting for up to 1 s' and [broken] == rest
    assert again.startswith('door: connected again after ')


def test_a_stream_that_never_starts_is_one_error():
    with serve() as url:
        (frame,) = read_live('door', f'{url}/live')
    assert frame.error.startswith('cannot be read: Server returned 404')
    (frame,) = read_live('door', f'{url}/live')
    assert frame.error == 'cannot be read: Connection refused'


def test_an_exception_while_reading_is_raised(monkeypatch):
    def fail(*_):
        yield make_frame('door', index=0)
        raise BrokenPipeError('of stderr')

    monkeypatch.setattr('vitpose.predict.inputs.live._read', fail)
    with pytest.raises(BrokenPipeError, match='of stderr'):
        list(read_live('door', ''))
