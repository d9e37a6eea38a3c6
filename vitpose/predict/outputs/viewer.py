"""Show drawn images while they are predicted: in a window, or on a local page where there is no display."""

import subprocess
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread

import cv2
import numpy as np

from ...errors import warn

TITLE, STOP_KEYS = 'vitpose: q ends', (ord('q'), 27)  # 27: Esc
PROBE = 'import cv2; cv2.namedWindow("vitpose")'  # in a process of its own: without a display, OpenCV may abort it
PROBE_S = 20
PAGE = b'<!DOCTYPE html><title>vitpose</title><body style="margin:0;background:#222"><img src="stream" width="100%">'


class Viewer:
    """Show the newest image in a window, or on a page for localhost without a display or with a headless OpenCV."""

    def __init__(self) -> None:
        self.url, self.count, self.image, self.changed = '', 0, np.zeros((1, 1, 3), np.uint8), Condition()
        with suppress(subprocess.TimeoutExpired):
            if not subprocess.run([sys.executable, '-c', PROBE], capture_output=True, timeout=PROBE_S).returncode:
                return
        server = ThreadingHTTPServer(('127.0.0.1', 0), type('Handler', (_Handler,), {'viewer': self}))
        Thread(target=server.serve_forever, name='vitpose-show', daemon=True).start()
        self.url = f'http://127.0.0.1:{server.server_port}/'
        warn(f'no display for a window: open {self.url} in a browser')

    def put(self, image: np.ndarray) -> None:
        """Take an image (H, W, 3) uint8 BGR, from any thread."""
        with self.changed:
            self.image, self.count = image, self.count + 1
            self.changed.notify_all()

    def refresh(self) -> None:
        """Draw the window, in the main thread; KeyboardInterrupt if it was closed, or after one of STOP_KEYS."""
        if not self.url and self.count:
            cv2.imshow(TITLE, self.image)
            key, is_open = cv2.pollKey() & 255, 0.0
            with suppress(cv2.error):  # of Qt, where the last window was closed
                is_open = cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE)
            if key in STOP_KEYS or is_open < 1:
                raise KeyboardInterrupt


class _Handler(BaseHTTPRequestHandler):
    viewer: Viewer

    def do_GET(self) -> None:
        if self.headers.get('Host', '').partition(':')[0] not in ('127.0.0.1', 'localhost'):
            return self.send_error(403)  # a page from elsewhere
        self.send_response(200)
        kind = 'text/html' if self.path == '/' else 'multipart/x-mixed-replace; boundary=image'
        self.send_header('Content-Type', kind)
        self.end_headers()
        count, end = 0, PAGE if self.path == '/' else b'--image\r\n'  # browsers show a part when they have its end
        with suppress(OSError):  # the browser left
            self.wfile.write(end)
            while end is not PAGE:
                with self.viewer.changed:
                    while self.viewer.count == count:
                        self.viewer.changed.wait()
                    image, count = self.viewer.image, self.viewer.count
                self.wfile.write(b'Content-Type: image/jpeg\r\n\r\n' + cv2.imencode('.jpg', image)[1].tobytes())
                self.wfile.write(b'\r\n' + end)

    def log_message(self, *args: object) -> None:
        pass
