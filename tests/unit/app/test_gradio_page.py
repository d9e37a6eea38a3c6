"""The page of `vitpose app` in headless Chromium, from the uploaded file to the drawn pose."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.predict.frames import write_video
from tests.unit.predict.tiny_files import dot, write_dots

pytest.importorskip('gradio')
pytestmark = pytest.mark.slow
GREEN = """() => {
    const image = document.querySelector('#drawn img');
    if (!image?.complete || !image.naturalWidth) return null;
    const canvas = Object.assign(document.createElement('canvas'), {width: 160, height: 120});
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(50, 40, 20, 20).data;
    return [...pixels].filter((value, i) => i % 4 === 1 && value - pixels[i - 1] > 100).length > 8;
}"""  # whether enough pixels around (60, 50) have the color of a keypoint


RUNTIME = '.ses'  # a file of ONNX Runtime
HOSTILE = '![x](http://127.0.0.1:9/x.png)<img src="http://127.0.0.1:9/y.png" onerror=alert(1)>'


@contextmanager
def serve(root, folder, end=signal.SIGINT, **metadata):
    """`vitpose app` with a hand-made file; Ctrl-C or SIGTERM must end it cleanly and leave nothing behind."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    file = write_dots(folder / f'{metadata.get("dataset", "dots").replace("/", "")}.onnx', **metadata)
    command = [sys.executable, '-m', 'vitpose', 'app', file, '--port', str(port)]
    (folder / 'temporary').mkdir()
    environment = {**os.environ, 'PYTHONPATH': str(root), 'TMPDIR': str(folder / 'temporary')}
    environment['GRADIO_HEARTBEAT_INTERVAL'] = '0.25'
    options = dict(cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    with subprocess.Popen(command, preexec_fn=listen, **options) as server:
        try:
            line = server.stdout.readline()
            assert line.startswith(f'http://127.0.0.1:{port}/'), line
            yield line.split()[0]
            server.send_signal(end)
            assert server.wait(180) == 0
        finally:
            server.kill()
    assert {path.name for path in (folder / 'temporary').iterdir()} <= {RUNTIME}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('app')


@pytest.fixture(scope='module')
def address(root, folder):
    with serve(root, folder) as address:
        yield address


def stored(folder):
    """The temporary files with content, but for those of the server itself."""
    sizes = {}
    for parent, _, names in os.walk(folder / 'temporary'):
        for name in set(names) - {RUNTIME}:
            with suppress(FileNotFoundError):  # it may be deleted meanwhile
                sizes[Path(parent, name)] = Path(parent, name).stat().st_size
    return [path for path, size in sizes.items() if size]


def wait_until(condition, seconds=180):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def upload(page, path):
    page.locator('#upload input[type=file]').set_input_files(path)
    page.wait_for_function("document.querySelector('#shown img')?.naturalWidth === 160")


def click(page, x, y):
    """Click on the shown image, whose size is 160x120, and wait until the click is a point in the text of the boxes."""
    image, boxes = page.locator('#shown img'), page.locator('#boxes textarea')
    count, size = len(boxes.input_value().split()), image.bounding_box()
    image.click(position={'x': x / 160 * size['width'], 'y': y / 120 * size['height']})
    page.wait_for_function(
        "n => document.querySelector('#boxes textarea').value.split(/\\s+/).filter(Boolean).length > n", arg=count
    )
    return [int(value) for value in boxes.input_value().split()]


def predict(page):
    """Press the button and return the lines of the JSON file that the page then offers."""
    page.click('#predict')
    link = page.locator('#json a').first.get_attribute('href')
    return [json.loads(line) for line in page.request.get(link).text().splitlines()[1:]]


def test_image_from_upload_to_drawn_pose_without_requests_elsewhere(browser, address, tmp_path):
    cv2.imwrite(str(tmp_path / '<b>dot.png'), dot(60, 50))
    page, requested = browser.new_page(), []
    page.on('request', lambda request: requested.append(request.url))
    page.goto(address)
    upload(page, tmp_path / '<b>dot.png')
    click(page, 40, 30)
    box = click(page, 120, 90)
    (row,) = predict(page)
    assert row['file'].endswith('dot.png') and row['boxes'] == [box]
    assert max(abs(a - b) for a, b in zip(box, (40, 30, 120, 90), strict=True)) < 3
    page.wait_for_function(GREEN)
    assert {url[: len(address)] for url in requested if not url.startswith(('data:', 'blob:'))} == {address}


def test_errors_are_shown_and_a_video_plays(browser, address, tmp_path):
    write_video(tmp_path / 'dots.mp4', [dot(20 + 10 * i, 50) for i in range(5)])
    page = browser.new_page()
    page.goto(address)
    page.click('#predict')
    page.get_by_text('drop an image or a video first').first.wait_for()
    upload(page, tmp_path / 'dots.mp4')
    assert [row['frame'] for row in predict(page)] == [0, 1, 2, 3, 4]
    page.wait_for_function("document.querySelector('#video video')?.videoWidth === 160")
    assert '5 people in 5 frames' in page.locator('#notes textarea').input_value()


def test_two_users_at_once_see_their_own_results_and_leave_nothing(browser, address, folder, tmp_path):
    wait_until(lambda: not stored(folder))  # of the tests before
    contexts = [browser, browser.browser.new_context()]
    contexts[1].set_default_timeout(180_000)
    pages = [context.new_page() for context in contexts]
    for page, x in zip(pages, (40, 120), strict=True):
        write_video(tmp_path / f'{x}.mp4', [dot(x, 50)] * 60)
        page.goto(address)
        upload(page, tmp_path / f'{x}.mp4')
    for page in pages:
        page.click('#predict')
    for page, x in zip(pages, (40, 120), strict=True):
        page.wait_for_function("document.querySelector('#video video')?.videoWidth === 160")
        link = page.locator('#json a').first.get_attribute('href')
        rows = [json.loads(line) for line in page.request.get(link).text().splitlines()[1:]]
        assert len(rows) == 60 and {row['file'] for row in rows} == {f'{x}.mp4'}
        assert np.abs(np.array([row['keypoints'] for row in rows]) - [x, 50]).max() < 4
    cv2.imwrite(str(tmp_path / 'same.png'), dot(60, 50))
    for page in pages:
        page.goto(address)  # ends the session
    wait_until(lambda: not stored(folder))
    for page in pages:
        upload(page, tmp_path / 'same.png')
    assert len([path for path in stored(folder) if path.name == 'same.png']) == 1  # Gradio stores equal files once
    contexts[0].close()
    wait_until(lambda: len([path for path in stored(folder) if path.name == 'input.jpg']) == 1)
    (row,) = predict(pages[1])
    assert row['file'] == 'same.png' and row['error'] is None
    contexts[1].close()
    wait_until(lambda: not stored(folder))


def test_an_upload_that_breaks_off_leaves_nothing(address, folder):
    wait_until(lambda: not stored(folder))
    host, port = address.removeprefix('http://').strip('/').split(':')
    connection = http.client.HTTPConnection(host, int(port))
    connection.putrequest('POST', '/gradio_api/upload')
    connection.putheader('Content-Type', 'multipart/form-data; boundary=b')
    connection.putheader('Content-Length', '10000000')
    connection.endheaders()
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    connection.send(head + bytes(100_000))
    wait_until(lambda: stored(folder))
    connection.close()
    wait_until(lambda: not stored(folder))


def test_an_uploaded_page_is_not_shown_as_one(browser, address):
    page = browser.new_page()
    files = {'files': {'name': 'a.html', 'mimeType': 'text/html', 'buffer': b'<script>alert(1)</script>'}}
    (path,) = page.request.post(f'{address}gradio_api/upload', multipart=files).json()
    headers = page.request.get(f'{address}gradio_api/file={path}').headers
    assert headers['content-disposition'].startswith('attachment') and 'html' not in headers['content-type']


def test_hostile_names_reach_the_page_as_text_and_sigterm_deletes_all(browser, root, tmp_path):
    """While a video is predicted, the page is ended, with a file name and metadata full of markup."""
    with serve(root, tmp_path, signal.SIGTERM, dataset=HOSTILE, keypoint_names=[HOSTILE] * 2) as address:
        page, requested = browser.new_page(), []
        page.on('request', lambda request: requested.append(request.url))
        page.goto(address)
        assert HOSTILE in page.locator('#model textarea').input_value()
        name = HOSTILE.replace('/', '') + '.png'
        (tmp_path / name).write_bytes(b'no image')
        page.locator('#upload input[type=file]').set_input_files(tmp_path / name)
        page.get_by_text('not an image that OpenCV or Pillow can read').first.wait_for()
        assert not page.locator('img[src*="127.0.0.1:9"], [onerror]').count()
        assert {url[: len(address)] for url in requested if not url.startswith(('data:', 'blob:'))} == {address}
        write_video(tmp_path / 'long.mp4', [dot(60, 50)] * 400)
        page.goto(address)
        upload(page, tmp_path / 'long.mp4')
        page.click('#predict')
        wait_until(lambda: any(path.name.startswith('predictions') for path in stored(tmp_path)))
        assert not list(tmp_path.rglob('keypoints.json'))  # it is written after the last frame
