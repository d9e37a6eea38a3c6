"""Temporary files of the page: each user's are deleted when the user leaves."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Any

from starlette.formparsers import MultiPartException


class Sessions:
    """The files of each session, which is a tab of a browser: its uploads, and folders of results below `folder`.

    Gradio stores equal uploads once, and deletes by age what no session had, such as uploads of a tab closed at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._paths: dict[str, set[Path]] = {}  # by the session's hash
        self._ended: set[str] = set()
        self._running: set[Path] = set()  # folders that are written to; `results` deletes them
        self._closed = False
        self._changed = Condition()

    @contextmanager
    def results(self, session: str, upload: str) -> Iterator[Path]:
        """Yield a new folder for what is made of an upload; it is deleted with the session, or on an error."""
        with self._changed:
            self._paths.setdefault(session, set()).add(Path(upload))
            if session in self._ended:
                self.end(session)  # it deletes the upload
            self.check(session)
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            self._paths[session].add(folder)
            self._running.add(folder)
        is_done = False
        try:
            yield folder
            is_done = True
        finally:
            with self._changed:
                if not is_done or session in self._ended:
                    shutil.rmtree(folder, ignore_errors=True)
                self._running.remove(folder)
                self._changed.notify_all()

    def check(self, session: str) -> None:
        """Raise a ValueError if the session has ended, or the page is closed."""
        if self._closed or session in self._ended:
            raise ValueError('this page was closed, or lost its connection: load it again')

    def end(self, session: str) -> None:
        """Delete the files of a session, except for those that another one also has; the session cannot continue."""
        with self._changed:
            self._ended.add(session)
            for path in self._paths.pop(session, set()).difference(self._running, *self._paths.values()):
                if self._folder in path.resolve().parents:  # nothing else is ever deleted
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        for path in self._folder.glob('tmp*'):  # Gradio leaves an empty file each time that it passes on an upload
            if path.is_file() and not path.stat().st_size:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop what is running, and wait for it: after that, nothing is written."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._running)


def end_uploads(app: Callable) -> Callable:
    """Wrap an ASGI app: an upload that its client aborts becomes malformed, so that Gradio deletes its file."""

    async def call(scope: Any, receive: Callable, send: Callable) -> None:
        complete = scope['type'] != 'http' or not scope['path'].endswith('/upload')

        async def receive_all() -> Any:
            nonlocal complete
            message = await receive()
            if message['type'] == 'http.disconnect' and not complete:
                raise MultiPartException('the client is gone')
            complete = complete or not message.get('more_body')
            return message

        await app(scope, receive_all, send)

    return call
