"""Show drawn images while they are predicted: in a window, or on a local page where there is no display."""

import subprocess
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread

import cv2
import numpy as np

TITLE = 'vitpose: q ends'
STOP_KEYS = (ord('q'), 27)  # 27: Esc
PROBE = 'import cv2; cv2.namedWindow("vitpose")'  # in a process of its own: without a display, OpenCV may abort it
PROBE_S = 20
PAGE = b'<!DOCTYPE html><title>vitpose</title><body style="margin:0;background:#222"><img src="stream" width="100%">'


class Viewer:
    """Show the newest image: `put` takes it from any thread, and `refresh`, in the main one, draws the window.

    Where there is no display, or OpenCV has no windows, a page shows it, which is served to this computer alone; a line
    on stderr has its address, `url`.
    """

    def __init__(self) -> None:
        self.url, self.count, self._image, self._changed = '', 0, np.zeros((0, 0, 3), np.uint8), Condition()
        with suppress(subprocess.TimeoutExpired):
            if not subprocess.run([sys.executable, '-c', PROBE], capture_output=True, timeout=PROBE_S).returncode:
                return
        server = ThreadingHTTPServer(('127.0.0.1', 0), type('Handler', (_Handler,), {'viewer': self}))
        server.daemon_threads = True
        Thread(target=server.serve_forever, name='vitpose-show', daemon=True).start()
        self.url = f'http://127.0.0.1:{server.server_port}/'
        print(f'no display for a window: open {self.url} in a browser', file=sys.stderr)

    def put(self, image: np.ndarray) -> None:
        """Take an image (H, W, 3) uint8 BGR."""
        with self._changed:
            self._image, self.count = image, self.count + 1
            self._changed.notify_all()

    def wait(self, count: int) -> tuple[np.ndarray, int]:
        """The newest image and its number, once it is larger than `count`."""
        with self._changed:
            self._changed.wait_for(lambda: self.count > count)
            return self._image, self.count

    def refresh(self) -> None:
        """Draw the window, if there is one; KeyboardInterrupt after one of STOP_KEYS, or if it was closed."""
        if self.url or not self.count:
            return
        cv2.imshow(TITLE, self._image)
        if cv2.pollKey() & 255 in STOP_KEYS or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            raise KeyboardInterrupt


class _Handler(BaseHTTPRequestHandler):
    viewer: Viewer

    def do_GET(self) -> None:
        if self.headers.get('Host', '').partition(':')[0] not in ('127.0.0.1', 'localhost'):
            self.send_error(403)  # a page from elsewhere
            return
        is_page = self.path == '/'
        self.send_response(200)
        self.send_header('Content-Type', 'text/html' if is_page else 'multipart/x-mixed-replace; boundary=image')
        self.end_headers()
        if is_page:
            self.wfile.write(PAGE)
            return
        count, end = 0, b'--image\r\n'  # browsers show a part when they have its end
        with suppress(OSError):  # the browser left
            self.wfile.write(end)
            while True:
                image, count = self.viewer.wait(count)
                data = cv2.imencode('.jpg', image)[1].tobytes()
                head = f'Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n'
                self.wfile.write(head.encode() + data + b'\r\n' + end)

    def log_message(self, *args: object) -> None:
        pass
