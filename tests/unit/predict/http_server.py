"""A server on this computer: files, and streams of JPEG images as network cameras send them."""

import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cv2
import numpy as np


@contextmanager
def serve(**answers):
    """Serve what functions write, which get a handler, by the first part of the path; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer = answers.get(self.path.split('/')[1].partition('.')[0])
            with suppress(OSError):  # of clients that leave
                answer(self) if answer else self.send_error(404)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        server.server_close()


def file(data, kind='image/png', length=True):
    def answer(handler):
        handler.send_response(200)
        handler.send_header('Content-Type', kind)
        if length:
            handler.send_header('Content-Length', len(data))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


class Camera:
    """Sends `count` images per connection, whose brightness is 4 times their number; later connections get 404."""

    def __init__(self, count, connections=1, fps=50):
        self.sent, self.count, self.left, self.fps = 0, count, connections, fps

    def __call__(self, handler):
        self.left -= 1
        if self.left < 0:
            return handler.send_error(404)
        handler.send_response(200)
        handler.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=part')
        handler.end_headers()
        for _ in range(self.count):
            data = cv2.imencode('.jpg', np.full((48, 64, 3), self.sent * 4 % 256, np.uint8))[1].tobytes()
            head = f'--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n'
            handler.wfile.write(head.encode() + data + b'\r\n')
            self.sent += 1
            time.sleep(1 / self.fps)
