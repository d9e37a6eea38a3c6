"""A local server of files as publishers have them: redirects, ranges, pointers, and what goes wrong."""

import re
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Published:
    """What a server has, and what it was asked for."""

    address: str = ''
    files: dict[str, bytes] = field(default_factory=dict)  # by path
    headers: dict[str, dict[str, str]] = field(default_factory=dict)  # more, by path
    redirects: dict[str, str] = field(default_factory=dict)
    ends_after: int | None = None  # bytes of a body, with the length of all
    stalls: bool = False  # instead of ending
    ranges: bool = True
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, range


class _Handler(BaseHTTPRequestHandler):
    published: Published

    def do_GET(self):
        state, start = self.published, 0
        state.asked.append((self.command, self.path, self.headers.get('Range')))
        if target := state.redirects.get(self.path):
            self.send_response(302)
            self.send_header('Location', target)
            self.end_headers()
            return
        if (content := state.files.get(self.path)) is None:
            self.send_response(404)
            self.send_header('X-Error-Code', 'RepoNotFound')  # as the hub says
            self.send_header('Content-Length', '0')
            return self.end_headers()
        if state.ranges and (match := re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range') or '')):
            start = int(match[1])
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {start}-{len(content) - 1}/{len(content)}')
        else:
            self.send_response(200)
        self.send_header('Content-Length', str(len(content) - start))
        for key, value in state.headers.get(self.path, {}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(content[start:][: state.ends_after])
            self.wfile.flush()
            while state.stalls:
                time.sleep(0.01)

    do_HEAD = do_GET

    def log_message(self, *_):
        """Print nothing."""


def serve():
    """Yield a `Published` that is served."""
    published = Published()
    handler = type('Handler', (_Handler,), dict(published=published))
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    published.address = f'http://127.0.0.1:{server.server_port}'
    Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.01), daemon=True).start()
    yield published
    published.stalls = False
    server.shutdown()
    server.server_close()
