"""All files that a prediction writes into its output folder."""

import functools
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from ..batching import MAX_BYTES, image_bytes
from ..inputs.matching import GivenBoxes
from ..inputs.sources import Source
from ..poses import Frame, Poses
from .drawing import draw_poses
from .page import Page
from .pictures import Pictures
from .results import CocoResults, JsonLines

LINES, RESULTS, IMAGES, PAGE, DRAWN = 'predictions.jsonl', 'keypoints.json', 'images.json', 'index.html', 'drawn'
WAITING = 8  # frames that may wait for the writing thread


def prepare_folder(out: Path) -> None:
    """Create the output folder, and check that files can be written there; nothing in it is touched.

    FileExistsError if it is not a folder, or has files and no earlier prediction; OSError if it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file: pass a folder to --out')
    try:
        out.mkdir(parents=True, exist_ok=True)
        is_foreign = any(out.iterdir()) and not (out / LINES).is_file()
        TemporaryFile(dir=out).close()
    except OSError as problem:
        raise type(problem)(f'{out}: cannot write into this folder: {problem.strerror}') from problem
    if is_foreign:
        raise FileExistsError(f'{out} has files that are not predictions: pass an empty or new folder to --out')


class Outputs:
    """Draw and write what is predicted, in a thread of its own, and count it.

    In the folder: `predictions.jsonl` (see `results.line_of`), complete after each frame; `keypoints.json` and
    `images.json` (see `results.CocoResults`), `drawn/` (see `pictures.Pictures`) and `index.html` (see `page.Page`),
    each of which is there, complete, when `close` has returned. Files of an earlier prediction are replaced.

    `out` is a folder that `prepare_folder` accepted, `metainfo` as MMPose parses it, and `given` the boxes of a file.
    """

    def __init__(
        self,
        out: Path,
        sources: Sequence[Source],
        metainfo: Mapping[str, Any],
        draw: bool = True,
        page: bool = False,
        given: GivenBoxes | None = None,
    ) -> None:
        for name in (LINES, RESULTS, IMAGES, PAGE):
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / DRAWN, ignore_errors=True)
        self.frames = self.people = self.dropped = 0  # dropped: boxes that were not predicted
        self.broken: dict[str, str] = {}  # why an input could not be read, or not to its end, by its name
        self._metainfo = metainfo
        self._lines = JsonLines(out / LINES)
        self._results = CocoResults(out / RESULTS, out / IMAGES, metainfo, given)
        self._pictures = Pictures(out / DRAWN, sources) if draw else None
        self._page = Page(out / PAGE, metainfo) if page else None
        self._files = [LINES, RESULTS] + [IMAGES] * (not given or not given.image_ids) + [PAGE] * page
        self._thread = ThreadPoolExecutor(1, 'write')
        self._waiting: deque[Future] = deque()

    def write(self, frame: Frame, poses: Poses) -> None:
        """Hand over a frame. It is written soon; an `OSError` in writing an earlier frame is raised here."""
        if frame.error is not None:
            self.broken[frame.name] = frame.error
        else:
            self.frames += 1
            self.people += len(poses.keypoints)
        self.dropped += len(poses.dropped)
        while len(self._waiting) >= min(WAITING, MAX_BYTES // max(image_bytes(frame), 1)) and self._waiting:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._write, frame, poses))

    def close(self) -> None:
        """Write what is waiting, and finish all files, even if one of them fails; then raise its `OSError`."""
        self._thread.shutdown()
        with ExitStack() as closing:
            for writer in (self._lines, self._results, self._pictures, self._page):
                if writer:
                    closing.callback(writer.close)
            while self._waiting:
                self._waiting.popleft().result()

    def written(self) -> list[str]:
        """Return one line per file or kind of file: its path in the folder, and how many there are."""
        counts = {'image': self._pictures.images, 'video': self._pictures.videos} if self._pictures else {}
        drawn = ', '.join(f'{number:,} {noun}{"s" * (number > 1)}' for noun, number in counts.items() if number)
        return self._files + [f'{DRAWN}/ ({drawn})'] * bool(drawn)

    def _write(self, frame: Frame, poses: Poses) -> None:
        self._lines.write(frame, poses)
        self._results.write(frame, poses)

        @functools.cache
        def drawn() -> np.ndarray:
            assert frame.image is not None
            return draw_poses(frame.image, poses, self._metainfo)

        if self._pictures and frame.image is not None:
            self._pictures.write(frame, drawn())
        if self._page:
            self._page.write(frame, poses, drawn)
