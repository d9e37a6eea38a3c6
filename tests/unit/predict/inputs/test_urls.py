"""Images, videos and streams by URL; what cannot be had is one line."""

from threading import Event

import cv2
import numpy as np
import pytest

from tests.unit.predict.frames import numbered_images, write_video
from tests.unit.predict.http_server import Camera, file, serve
from vitpose.predict.inputs import urls
from vitpose.predict.inputs.images import read_frame
from vitpose.predict.inputs.live import read_live
from vitpose.predict.inputs.sources import Source, count_frames, find_sources, read_frames
from vitpose.predict.inputs.urls import hide_password
from vitpose.predict.inputs.video import read_video

IMAGE = np.full((20, 30, 3), 99, np.uint8)
PNG = cv2.imencode('.png', IMAGE)[1].tobytes()


@pytest.fixture(scope='module')
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp('videos')
    for name in ('v.mp4', 'v.ts'):
        write_video(folder / name, numbered_images(5))
    with serve(
        image=file(PNG),
        page=file(b'<html>', 'text/html'),
        video=file((folder / 'v.mp4').read_bytes(), 'video/mp4'),
        transport=file((folder / 'v.ts').read_bytes(), 'video/mp2t', length=False),
        list=file(b'#EXTM3U', 'application/vnd.apple.mpegurl'),
        large=file(bytes(2 << 20)),
        half=file(PNG[:60]),
        live=Camera(9, 9),
    ) as address:
        yield address


def test_kinds_are_told_by_suffix_or_by_the_server(url):
    for name, kind in (
        ('image', 'image'),
        ('missing.jpg', 'image'),
        ('video', 'video'),
        ('list', 'live'),
        ('live', 'live'),
        ('transport', 'live'),
    ):
        (source,) = find_sources([f'{url}/{name}'])
        assert (source.name, source.kind) == (f'{url}/{name}', kind)
    (source,) = find_sources(['rtsp://me:secret@host/door'])
    assert source == Source('rtsp://me:***@host/door', 'live', 'rtsp://me:secret@host/door')
    assert hide_password('http://host/a@b:c@d') == 'http://host/a@b:c@d'
    (source,) = find_sources([f'{url}/video'])
    assert [frame.index for frame in read_frames([source])] == list(range(5)) and count_frames([source]) == 5
    *frames, _ = read_live('door', f'{url}/transport', True, reconnect=0)  # MPEG-TS
    assert [frame.index for frame in frames] == list(range(5)) and frames[0].image.shape == (48, 64, 3)


@pytest.mark.slow
def test_a_server_that_stops_sending_is_an_error(tmp_path, monkeypatch):
    write_video(tmp_path / 'v.mp4', numbered_images(400), movflags='+faststart')
    data, released = (tmp_path / 'v.mp4').read_bytes(), Event()

    def stall(handler):
        handler.send_response(200)
        handler.send_header('Content-Length', len(data))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        released.wait(60)

    monkeypatch.setattr('vitpose.predict.inputs.video.TIMEOUT_S', 1)
    with serve(stall=stall) as address:
        for frames in (read_video(f'{address}/stall'), read_live('door', f'{address}/stall', True, reconnect=0)):
            *good, last = frames
            assert len(good) > 100 and 'no answer for 1 s' in last.error and f'{len(good)} frames were re' in last.error
        released.set()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('/page', '/page: expected an image, a video or a stream; the server sends text/html'),
        ('/nothing', '/nothing: cannot be opened: HTTP Error 404: Not Found'),
        ('ftp://host/a.jpg', 'ftp://host/a.jpg: expected a path, or a URL that starts with http, https, rtsp'),
        ('data:image/png;base64,aaaa', 'data:image/png;base64,aaaa: expected a path'),
        ('http://127.0.0.1:1/a', 'http://127.0.0.1:1/a: cannot be opened: <urlopen error [Errno 111] '),
    ],
)
def test_unusable_urls_are_an_error(url, text, message):
    with pytest.raises(ValueError) as problem:
        find_sources([url + text if text.startswith('/') else text])
    assert message in str(problem.value)


def test_a_camera_with_a_password(url):
    """As network cameras send JPEG images; the password goes to this server alone, and into no message."""
    camera = Camera(9, 9)

    def guarded(handler):
        if handler.headers.get('Authorization') == 'Basic bWU6c2VAY3JldA==':  # me:se@cret
            return camera(handler)
        handler.send_response(401)
        handler.send_header('WWW-Authenticate', 'Basic realm="camera"')
        handler.end_headers()

    with serve(live=guarded) as address:
        host = address.partition('://')[2]
        (source,) = find_sources([f'http://me:se%40cret@{host}/live'])
        assert (source.name, source.kind) == (f'http://me:***@{host}/live', 'live')
        assert next(read_live(source.name, source.address, True)).image.shape == (48, 64, 3)
        with pytest.raises(ValueError, match='401') as problem:
            find_sources([f'http://me:wrong@{host}/live'])
        assert 'wrong' not in str(problem.value)
    assert hide_password('rtsp://me:se@cret@host/door') == 'rtsp://me:***@host/door'
    with pytest.raises(ValueError, match=r'://me:\*\*\*@.*/image.png: passwords are only for streams'):
        find_sources([url.replace('://', '://me:secret@') + '/image.png'])


def test_images_are_downloaded_when_they_are_read(url, monkeypatch):
    np.testing.assert_array_equal(read_frame(f'{url}/image', 0).image, IMAGE)
    assert 'cannot be opened: HTTP Error 404' in read_frame(f'{url}/missing.jpg', 0).error
    assert 'truncated' in read_frame(f'{url}/half', 0).error
    monkeypatch.setattr(urls, 'MAX_MIB', 1)
    assert (
        read_frame(f'{url}/large', 0).error
        == f'{url}/large: more than 1 MiB or 60 seconds: download it, and pass the file'
    )
    monkeypatch.setattr(urls, 'MAX_S', -1)
    assert 'more than 1 MiB or -1 seconds' in read_frame(f'{url}/image', 0).error
