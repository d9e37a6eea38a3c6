"""The page of `vitpose app` in headless Chromium, from the uploaded file to the drawn pose."""

import json
import os
import signal
import socket
import subprocess
import sys
from functools import partial

import cv2
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


@pytest.fixture(scope='module')
def address(root, tmp_path_factory):
    """`vitpose app` with a hand-made file; Ctrl-C must end it cleanly and leave nothing behind."""
    folder = tmp_path_factory.mktemp('app')
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    command = [sys.executable, '-m', 'vitpose', 'app', write_dots(folder / 'dots.onnx'), '--port', str(port)]
    (folder / 'temporary').mkdir()
    environment = {**os.environ, 'PYTHONPATH': str(root), 'TMPDIR': str(folder / 'temporary')}
    options = dict(cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    with subprocess.Popen(command, preexec_fn=listen, **options) as server:
        try:
            line = server.stdout.readline()
            assert line.startswith(f'http://127.0.0.1:{port}/'), line
            yield line.split()[0]
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
        finally:
            server.kill()
    assert not list((folder / 'temporary').glob('vitpose*'))


def upload(page, path):
    page.locator('#upload input[type=file]').set_input_files(path)
    page.wait_for_function("document.querySelector('#shown img')?.naturalWidth === 160")


def click(page, x, y):
    """Click on the shown image, whose size is 160x120, and wait until the click is a point in the text of the boxes."""
    image, boxes = page.locator('#shown img'), page.locator('#boxes textarea')
    count, size = len(boxes.input_value().split()), image.bounding_box()
    image.click(position={'x': x / 160 * size['width'], 'y': y / 120 * size['height']})
    page.wait_for_function("n => document.querySelector('#boxes textarea').value.split(/\\s+/).length > n", arg=count)
    return [int(value) for value in boxes.input_value().split()]


def predict(page):
    """Press the button and return the lines of the JSON file that the page then offers."""
    page.click('#predict')
    link = page.locator('#json a').first.get_attribute('href')
    return [json.loads(line) for line in page.request.get(link).text().splitlines()]


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
    assert '5 people in 5 frames' in page.locator('#notes').inner_text()
