"""All files that a prediction writes into its output folder."""

import errno
import json
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TextIO

import numpy as np

from vitpose_base.files import PART, write_text

from ...errors import one_line
from ..batching import MAX_BYTES, image_bytes
from ..inputs.matching import GivenBoxes
from ..inputs.sources import Source
from ..inputs.video import VideoWriter
from ..poses import Frame, Poses
from .drawing import MIN_SCORE, draw_poses
from .page import Page
from .pictures import file_names, write_jpeg
from .record import LINES, SETTINGS, Record
from .results import line_of, write_coco

RESULTS, IMAGES, PAGE, DRAWN = 'keypoints.json', 'images.json', 'index.html', 'drawn'
NOBODY = Poses(*np.zeros((5, 0), int))
WAITING = 8  # frames that may wait for the writing thread
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)  # end the run; others are one frame's


def prepare_folder(out: Path) -> None:
    """Create the output folder, and check that files can be written there; nothing in it is touched.

    FileExistsError if it is not a folder, or has files and no earlier prediction; OSError if it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file: pass a folder to --out')
    try:
        out.mkdir(parents=True, exist_ok=True)
        others = [path for path in out.iterdir() if path.name not in (SETTINGS, DRAWN) and path.suffix != PART]
        is_foreign = others and not (out / LINES).is_file()
        TemporaryFile(dir=out).close()
    except OSError as problem:
        raise type(problem)(f'{out}: cannot write into this folder: {problem.strerror}') from problem
    if is_foreign:
        raise FileExistsError(f'{out} has files that are not predictions: pass an empty or new folder to --out')


class Outputs:
    """Draw and write what is predicted, in a thread of its own, and count it.

    In the folder: `predictions.jsonl` (see `results.line_of`), the record, complete after each frame; `keypoints.json`
    and `images.json` (see `results.write_coco`), `drawn/` (see `pictures.file_names`) and `index.html` (see
    `page.Page`), each of which is there, complete, when `close` has returned. Files of an earlier prediction are
    replaced when the first frame is written; with a record, they are continued, and the page is made from it, without
    pictures of its frames.

    An exception in drawing, encoding or showing a frame becomes that frame's error; if a video cannot be finished, a
    last line says so. An `OSError` of the disk ends it all. Numbers that are not finite are an error, without people.

    `out` is a folder that `prepare_folder` accepted, `metainfo` as MMPose parses it, with the keys that
    `results.write_coco` names, `given` the boxes of a file, `record` what is continued, `settings` what a later run
    must have to continue this one, and `min_score` that of drawn keypoints; set `finished` when all frames were
    written.
    """

    def __init__(
        self,
        out: Path,
        sources: Sequence[Source],
        metainfo: Mapping[str, Any],
        draw: bool = True,
        page: bool = False,
        given: GivenBoxes | None = None,
        record: Record | None = None,
        settings: Mapping[str, Any] | None = None,
        min_score: float = MIN_SCORE,
    ) -> None:
        self.frames = self.people = self.dropped = 0  # dropped: boxes that were not predicted
        self.broken: dict[str, str] = {}  # why an input could not be read, or not to its end, by its name
        self.finished = False
        self._out, self._metainfo, self._given, self._settings = out, metainfo, given, settings
        self._min_score = min_score
        self._places = {name: out / DRAWN / file for name, file in file_names(sources).items()} if draw else {}
        self._video: VideoWriter | None = None  # that of `self._last`
        self._page = Page(out / PAGE, metainfo) if page else None
        self._lines: TextIO | None = None
        self._last = Frame('', None)  # the last frame that was drawn
        self._thread = ThreadPoolExecutor(1, 'write')
        self._waiting: deque[Future] = deque()
        if record and record.size:
            self._open(record)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Hand over a frame. It is written soon; an `OSError` in writing an earlier frame is raised here."""
        while len(self._waiting) >= min(WAITING, MAX_BYTES // max(image_bytes(frame), 1)) and self._waiting:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._write, replace(frame), poses))

    def close(self) -> None:
        """Write what is waiting, and finish all files, even if one of them fails; then raise its `OSError`."""
        self._thread.shutdown()
        with ExitStack() as closing:
            if self._lines:
                closing.callback(self._settle)
                closing.callback(self._lines.close)
                if self._page:
                    closing.callback(self._page.close)
                closing.callback(self._finish_video)
            while self._waiting:
                self._waiting.popleft().result()

    def written(self) -> list[str]:
        """Return one line per file or kind of file: its path in the folder, and how many there are."""
        if self._lines is None:
            return []
        number = sum(path.is_file() for path in (self._out / DRAWN).rglob('*'))
        names = [name for name in (LINES, RESULTS, IMAGES, PAGE) if (self._out / name).exists()]
        return names + [f'{DRAWN}/ ({number:,} file{"s" * (number > 1)})'] * bool(number)

    def _open(self, record: Record | None = None) -> None:
        """Take over the folder: remove what an earlier prediction left, or read what is continued."""
        if record is None:
            for name in (RESULTS, IMAGES, PAGE, LINES):
                (self._out / name).unlink(missing_ok=True)
                (self._out / (name + PART)).unlink(missing_ok=True)
            shutil.rmtree(self._out / DRAWN, ignore_errors=True)
        if self._settings is not None:
            write_text(self._out / SETTINGS, json.dumps(self._settings, indent=1) + '\n')
        self._lines = (self._out / LINES).open('a', encoding='utf-8', buffering=1)
        if record:
            self._lines.truncate(record.size)
            for frame, poses in record.frames():
                self._count(frame, poses)
                if self._page:
                    self._page.write(frame, poses, None)

    def _write(self, frame: Frame, poses: Poses) -> None:
        if self._lines is None:
            self._open()
        if frame.name != self._last.name:
            self._finish_video()
        numbers = (poses.boxes, poses.box_scores, poses.keypoints, poses.scores)
        if not all(np.isfinite(array).all() for array in numbers):
            frame.error, poses = 'boxes, keypoints or scores are not finite', NOBODY
        if frame.image is not None and (self._places or self._page):
            self._last = frame
            with self._isolated(frame, 'not drawn'):
                drawn = draw_poses(frame.image, poses, self._metainfo, self._min_score)
                if self._places and frame.index is None:
                    write_jpeg(self._places[frame.name], drawn)
                elif self._places:
                    self._video = self._video or VideoWriter(self._places[frame.name])
                    self._video.write(drawn, frame.time or 0.0)
            if self._page and frame.error is None:
                with self._isolated(frame, 'not in the page'):
                    self._page.write(frame, poses, drawn)
        self._record(frame, poses)

    def _record(self, frame: Frame, poses: Poses) -> None:
        """Write the line of a frame, and count it; a frame with an error has an entry in the page without picture."""
        assert self._lines is not None
        kinds = self._given.categories.get(frame.name) if self._given else None
        line = line_of(frame, poses) | ({} if kinds is None else {'category_ids': kinds[poses.rows].tolist()})
        self._lines.write(json.dumps(line, allow_nan=False) + '\n')
        if self._page and frame.error is not None:
            self._page.write(frame, poses, None)
        self._count(frame, poses)

    def _count(self, frame: Frame, poses: Poses) -> None:
        if frame.error is None:
            self.frames += 1
            self.people += len(poses.keypoints)
        else:
            self.broken.setdefault(frame.name, frame.error)
        self.dropped += len(poses.dropped)

    def _finish_video(self) -> None:
        """Finish the video that is drawn, if any; if it fails, that is a line after those of its frames."""
        writer, self._video = self._video, None
        if writer:
            end = Frame(self._last.name, None, (self._last.index or 0) + 1)
            with self._isolated(end, 'not finished'):
                writer.close()
            if end.error is not None:
                self._record(end, NOBODY)

    def _settle(self) -> None:
        """Make the other files from the lines, which are complete."""
        lines, results, images = (self._out / name for name in (LINES, RESULTS, IMAGES))
        write_coco(lines, results, images, self._metainfo, self._given)
        if self._settings is not None and self.finished:
            write_text(self._out / SETTINGS, json.dumps({**self._settings, 'finished': True}, indent=1) + '\n')

    @contextmanager
    def _isolated(self, frame: Frame, what: str) -> Iterator[None]:
        """Make an exception the error of a frame."""
        try:
            yield
        except Exception as problem:
            if isinstance(problem, OSError) and problem.errno in DISK_ERRORS:
                raise
            error = f'{what}: {type(problem).__name__}: {one_line(problem)}'
            frame.error = error if frame.error is None else f'{frame.error}; {error}'
