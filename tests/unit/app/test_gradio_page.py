"""The page of `vitpose app` in headless Chromium, from the dropped file to the drawn pose."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from functools import partial

import cv2
import pytest

from tests.unit.predict.browser import Chromium, needs_browser
from tests.unit.predict.frames import write_video
from tests.unit.predict.tiny_files import dot, write_dots

pytest.importorskip('gradio')
pytestmark = [pytest.mark.slow, needs_browser]
LINES = "document.querySelector('#json a')?.href"
BOXES = "document.querySelector('#boxes textarea').value"
SHOWN = "document.querySelector('#shown img')?.naturalWidth === 160"
COLORED = """(image => {
    if (!image?.complete || !image.naturalWidth) return null;
    const canvas = Object.assign(document.createElement('canvas'), {width: 160, height: 120});
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(50, 40, 20, 20).data;
    return [...pixels].filter((value, i) => i % 4 === 1 && value - pixels[i - 1] > 100).length;
})(document.querySelector('#drawn img'))"""  # green, the color of a keypoint, around (60, 50)


@pytest.fixture(scope='module')
def address(root, tmp_path_factory):
    """`vitpose app` with a hand-made file; Ctrl-C must end it well, and leave nothing."""
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


@pytest.fixture
def page(address, tmp_path):
    with Chromium(address, tmp_path / 'profile') as browser:
        browser.wait("document.querySelector('#upload button')")
        browser.settle()
        yield browser


def rows(url):
    with urllib.request.urlopen(url) as answer:
        return [json.loads(line) for line in answer.read().decode().splitlines()]


def test_image_from_drop_to_drawn_pose_without_requests_elsewhere(page, address, tmp_path):
    cv2.imwrite(str(tmp_path / '<b>dot.png'), dot(60, 50))
    page.drop('#upload button', tmp_path / '<b>dot.png')
    page.wait(SHOWN)
    page.settle()
    page.click('#shown img', 0.25, 0.25)
    page.wait(f'{BOXES}.split(" ").length === 2')
    page.click('#shown img', 0.75, 0.75)
    page.wait(f'{BOXES}.split(" ").length === 4')
    box = [int(number) for number in page.run(BOXES).split()]
    page.click('#predict')
    (row,) = rows(page.wait(LINES))
    assert row['file'].endswith('dot.png') and row['boxes'] == [box] and box == pytest.approx([40, 30, 120, 90], abs=2)
    assert page.wait(COLORED) > 8
    requested = {url.split('?')[0] for url in page.requested if not url.startswith(('data:', 'blob:'))}
    assert requested and all(url.startswith(address) for url in requested)


def test_errors_are_shown_and_a_video_plays(page, tmp_path):
    write_video(tmp_path / 'dots.mp4', [dot(20 + 10 * i, 50) for i in range(5)])
    page.click('#predict')
    page.wait("document.body.innerText.includes('drop an image or a video first')")
    page.drop('#upload button', tmp_path / 'dots.mp4')
    page.wait(SHOWN)
    page.click('#predict')
    assert [row['frame'] for row in rows(page.wait(LINES))] == [0, 1, 2, 3, 4]
    page.wait("document.querySelector('#video video')?.videoWidth === 160")
    assert '5 people in 5 frames' in page.run("document.querySelector('#notes').innerText")
