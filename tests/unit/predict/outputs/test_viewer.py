"""What --show shows: a window, or a page with the newest image."""

import subprocess
import urllib.error
from types import SimpleNamespace
from unittest.mock import Mock
from urllib.request import Request, urlopen

import cv2
import numpy as np
import pytest

from vitpose.predict.outputs.viewer import TITLE, Viewer

IMAGE = np.full((48, 64, 3), 200, np.uint8)


def test_without_a_display_a_page_shows_the_newest_image(monkeypatch, caplog):
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    viewer = Viewer()
    assert caplog.messages == [f'no display for a window: open {viewer.url} in a browser']
    assert b'src="stream"' in urlopen(viewer.url).read()
    viewer.refresh()  # does nothing
    viewer.put(IMAGE // 2)
    viewer.put(IMAGE)
    with urlopen(viewer.url + 'stream', timeout=9) as stream:
        for value in (200, 50):
            assert stream.readline() == b'--image\r\n'
            assert stream.readline() + stream.readline() == b'Content-Type: image/jpeg\r\n\r\n'
            size = len(cv2.imencode('.jpg', viewer.image)[1])
            assert cv2.imdecode(np.frombuffer(stream.read(size), np.uint8), 1).mean() == pytest.approx(value, abs=1)
            assert stream.readline() == b'\r\n'
            viewer.put(IMAGE // 4)
    with pytest.raises(urllib.error.HTTPError, match='403'):
        urlopen(Request(viewer.url, headers={'Host': 'example.org'}))


def test_a_window_ends_with_a_key_or_when_it_is_closed(monkeypatch):
    shown, window = [], SimpleNamespace(key=-1, visible=lambda: 1.0)
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: SimpleNamespace(returncode=0))
    monkeypatch.setattr(cv2, 'imshow', lambda title, image: shown.append((title, image)), raising=False)
    monkeypatch.setattr(cv2, 'pollKey', lambda: window.key, raising=False)
    monkeypatch.setattr(cv2, 'getWindowProperty', lambda *_: window.visible(), raising=False)
    viewer = Viewer()
    viewer.refresh()
    viewer.put(IMAGE)
    viewer.refresh()
    assert shown == [(TITLE, IMAGE)] and not viewer.url
    closed_of_qt = Mock(side_effect=cv2.error('NULL guiReceiver'))
    for change in (dict(key=ord('q')), dict(key=27), dict(visible=lambda: 0.0), dict(visible=closed_of_qt)):
        window.__dict__.update(dict(key=-1, visible=lambda: 1.0) | change)
        with pytest.raises(KeyboardInterrupt):
            viewer.refresh()
