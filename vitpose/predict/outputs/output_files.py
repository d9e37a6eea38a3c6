"""All files that a prediction writes into its output folder."""

import errno
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from vitpose_base.files import PART, write_text

from ...errors import one_line
from ..batching import MAX_BYTES, image_bytes
from ..inputs.images import read_frame
from ..inputs.matching import GivenBoxes
from ..inputs.sources import Source, read_frames
from ..poses import Frame, Poses
from .drawing import draw_poses
from .page import Page
from .pictures import Pictures
from .record import LINES, SETTINGS, Record
from .results import JsonLines, write_coco

RESULTS, IMAGES, PAGE, DRAWN = 'keypoints.json', 'images.json', 'index.html', 'drawn'
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
    and `images.json` (see `results.write_coco`), `drawn/` (see `pictures.Pictures`) and `index.html` (see
    `page.Page`), each of which is there, complete, when `close` has returned. Files of an earlier prediction are
    replaced when the first frame is written; with a record, they are continued.

    An exception in drawing, encoding or showing a frame becomes that frame's error; an `OSError` of the disk ends it
    all. Numbers that are not finite are an error too.

    `out` is a folder that `prepare_folder` accepted, `metainfo` as MMPose parses it, with the keys that
    `results.write_coco` names, `given` the boxes of a file, `record` what is continued, and `settings` what a later run
    must have to continue this one; set `finished` when all frames were written.
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
    ) -> None:
        self.frames = self.people = self.dropped = 0  # dropped: boxes that were not predicted
        self.broken: dict[str, str] = {}  # why an input could not be read, or not to its end, by its name
        self.finished = False
        self._out, self._metainfo, self._given, self._settings = out, metainfo, given, settings
        self._sources = {source.name: source for source in sources}
        self._pictures = Pictures(out / DRAWN, sources) if draw else None
        self._lines: JsonLines | None = None
        self._page: Page | None = None
        self._has_page = page
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
            if self._pictures:
                closing.callback(self._finish_video)
            if self._page:
                closing.callback(self._page.close)
            while self._waiting:
                self._waiting.popleft().result()

    def written(self) -> list[str]:
        """Return one line per file or kind of file: its path in the folder, and how many there are."""
        counts = {'image': self._pictures.images, 'video': self._pictures.videos} if self._pictures else {}
        drawn = ', '.join(f'{number:,} {noun}{"s" * (number > 1)}' for noun, number in counts.items() if number)
        images = [] if self._given and self._given.image_ids else [IMAGES]
        files = [LINES, RESULTS, *images, *[PAGE] * self._has_page] if self._lines else []
        return files + [f'{DRAWN}/ ({drawn})'] * bool(drawn)

    def _open(self, record: Record | None = None) -> None:
        """Take over the folder: remove what an earlier prediction left, or read what is continued."""
        if record is None:
            for name in (RESULTS, IMAGES, PAGE, LINES):
                (self._out / name).unlink(missing_ok=True)
                (self._out / (name + PART)).unlink(missing_ok=True)
            shutil.rmtree(self._out / DRAWN, ignore_errors=True)
        if self._settings is not None:
            write_text(self._out / SETTINGS, json.dumps(self._settings, indent=1) + '\n')
        page = Page(self._out / PAGE, self._metainfo) if self._has_page else None
        for frame, poses in self._again(record, page) if record else ():
            self._count(frame, poses)
            if self._pictures and frame.error is None:
                self._pictures.images += frame.index is None
                self._pictures.videos += frame.index == 0
            if page:
                self._add(page, frame, poses, partial(self._drawn, frame, poses))
        self._page, self._lines = page, JsonLines(self._out / LINES, record.size if record else 0)

    def _again(self, record: Record, page: Page | None) -> Iterator[tuple[Frame, Poses]]:
        """The frames of a record, with their images read again where the page shows them."""
        for name, group in groupby(record.frames(), lambda item: item[0].name):
            if page is None:
                yield from group
                continue
            for again, (frame, poses) in zip(read_frames([self._sources[name]]), group, strict=False):
                is_read = frame.error is None and page.shows(frame)
                yield replace(frame, image=read_frame(again, 0).image if is_read else None), poses

    def _write(self, frame: Frame, poses: Poses) -> None:
        if self._lines is None:
            self._open()
        assert self._lines is not None
        numbers = {'boxes': poses.boxes, 'scores of boxes': poses.box_scores, 'keypoints': poses.keypoints}
        numbers['scores of keypoints'] = poses.scores
        if bad := [name for name, values in numbers.items() if not np.isfinite(values).all()]:
            frame.error = '; '.join(filter(None, (frame.error, f'not finite: {", ".join(bad)}')))
        drawn = cache(partial(self._drawn, frame, poses))
        if self._pictures and frame.name != self._last.name:
            self._finish_video()
        if self._pictures and frame.image is not None:
            self._last = frame
            with self._isolated(frame, 'not drawn'):
                self._pictures.write(frame, drawn())
        if self._page:
            self._add(self._page, frame, poses, drawn)
        kinds = self._given.categories.get(frame.name) if self._given else None
        self._lines.write(frame, poses, **({} if kinds is None else {'category_ids': kinds[poses.rows].tolist()}))
        self._count(frame, poses)

    def _drawn(self, frame: Frame, poses: Poses) -> np.ndarray:
        assert frame.image is not None
        return draw_poses(frame.image, poses, self._metainfo)

    def _add(self, page: Page, frame: Frame, poses: Poses, drawn: Callable[[], np.ndarray]) -> None:
        """Add a frame to the page, without its picture if there is an error."""
        if frame.error is None:
            with self._isolated(frame, 'not in the page'):
                page.write(frame, poses, drawn)
        if frame.error is not None:
            page.write(frame, poses, None)

    def _count(self, frame: Frame, poses: Poses) -> None:
        if frame.error is None:
            self.frames += 1
            self.people += len(poses.keypoints)
        else:
            self.broken.setdefault(frame.name, frame.error)
        self.dropped += len(poses.dropped)

    def _finish_video(self) -> None:
        assert self._pictures is not None
        with self._isolated(self._last, 'not finished'):
            self._pictures.close()
        if self._last.error is not None:
            self.broken.setdefault(self._last.name, self._last.error)

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
            place = '' if frame.index is None else f'frame {frame.index} '
            error = f'{place}{what}: {type(problem).__name__}: {one_line(problem)}'
            frame.error = error if frame.error is None else f'{frame.error}; {error}'
