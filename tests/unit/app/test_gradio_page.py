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
import numpy as np
import pytest

from tests.unit.predict.browser import Chromium, needs_browser
from tests.unit.predict.frames import write_video
from tests.unit.predict.tiny_files import dot, write_dots

pytest.importorskip('gradio')
pytestmark = [pytest.mark.slow, needs_browser]
LINES = "document.querySelector('#json a')?.href"
BOXES = "document.querySelector('#boxes textarea').value"
SHOWN = "document.querySelector('#shown img')?.naturalWidth === 160"
DRAWN = "(image => image?.naturalWidth && image.src)(document.querySelector('#drawn img'))"


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


def fetch(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


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
    row = json.loads(fetch(page.wait(LINES)))
    assert row['file'].endswith('dot.png') and row['boxes'] == [box] and box == pytest.approx([40, 30, 120, 90], abs=2)
    image = cv2.imdecode(np.frombuffer(fetch(page.wait(DRAWN)), np.uint8), cv2.IMREAD_COLOR)[40:60, 50:70].astype(int)
    assert (image[..., 1] - image[..., 2] > 100).sum() > 8  # green, the color of a keypoint, around (60, 50)
    requested = {url.split('?')[0] for url in page.requested if not url.startswith(('data:', 'blob:'))}
    assert requested and all(url.startswith(address) for url in requested)


def test_errors_are_shown_and_a_video_plays(page, tmp_path):
    write_video(tmp_path / 'dots.mp4', [dot(20 + 10 * i, 50) for i in range(5)])
    page.click('#predict')
    page.wait("document.body.innerText.includes('drop an image or a video first')")
    page.drop('#upload button', tmp_path / 'dots.mp4')
    page.wait(SHOWN)
    page.click('#predict')
    assert [json.loads(line)['frame'] for line in fetch(page.wait(LINES)).splitlines()] == [0, 1, 2, 3, 4]
    page.wait("document.querySelector('#video video')?.videoWidth === 160")
    assert '5 people in 5 frames' in page.run("document.querySelector('#notes').innerText")
