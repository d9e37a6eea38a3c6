"""All files that a prediction writes into its output folder."""

import errno
import json
import shutil
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from vitpose_base.files import PART, check_writable, write_text

from ...errors import ExistingFileError, one_line
from ..batching import MAX_BYTES, image_bytes
from ..drawing import DrawStyle, draw_poses
from ..inputs.matching import GivenBoxes
from ..inputs.sources import Source
from ..inputs.video import VideoWriter
from ..poses import Frame, Poses
from .drawn_files import file_names, write_crops, write_jpeg
from .page import Page
from .pose_formats import WRITERS
from .results import IMAGES, LINES, RESULTS, SETTINGS, UNCERTAIN, Record, header_of, line_of, write_coco

PAGE, DRAWN, CROPS = 'index.html', 'drawn', 'box_crops'
MADE = (RESULTS, IMAGES, UNCERTAIN, *(name for _, name in WRITERS.values()))  # made from the record at the end
NOBODY = Poses(*np.zeros((5, 0), int))
MAX_WAITING_FRAMES = 8  # for the writing thread
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)  # end the run; others are one frame's


def prepare_folder(out: Path) -> None:
    """Create the output folder. OSError if it has files and no earlier prediction, or nothing can be written there."""
    check_writable(out)
    names = {path.name for path in out.iterdir() if path.suffix != PART and not path.name.startswith('.')}
    others = sorted(names - {SETTINGS})
    if others and LINES not in others:
        what = f'files that are not predictions, such as {others[0]}'
        raise ExistingFileError(f'{out} has {what}: pass an empty or new folder to --out')


@dataclass
class Outputs:
    """Draw and write what is predicted, in a thread of its own, and count it.

    predictions.jsonl, the record, is complete after each frame, the other files when `close` has returned. Files of an
    earlier prediction are replaced when the first frame is written, or continued with a `record`; the page has no
    pictures of its frames. An exception in drawing or encoding a frame becomes that frame's error, as do numbers that
    are not finite; if a video cannot be finished, a last line says so. After an `OSError` of the disk no later frame is
    written, so that another run can continue there.
    """

    out: Path  # a folder that `prepare_folder` accepted
    sources: Sequence[Source]
    metainfo: Mapping[str, Any]  # as MMPose parses it
    draw: bool = True
    page: bool = False
    given: GivenBoxes | None = None  # the boxes of a file
    record: Record | None = None  # what is continued
    settings: Mapping[str, Any] | None = None  # what a later run must have to continue this one
    style: DrawStyle = DrawStyle()
    save: Collection[str] = ('coco',)  # formats that are made from the record, see `choose_formats`
    crops: bool = False  # write the part of each box in an image
    sound: bool = False  # keep the sound of videos; their names are files or URLs
    show: Callable[[np.ndarray], None] | None = None  # gets each drawn image
    finished = False  # set it when all frames were written

    def __post_init__(self) -> None:
        """Start the thread; a record is read first."""
        self.frames = self.people = self.dropped = 0  # dropped: boxes that were not predicted
        self.broken: dict[str, str] = {}  # why an input could not be read, or not to its end, by its name
        self.left_out = Counter[str]()  # frames of cameras and streams that were not predicted, by name
        self._places, self._kinds = file_names(self.sources), {source.name: source.kind for source in self.sources}
        self._video: VideoWriter | None = None  # that of `self._last`
        self._page = Page(self.out / PAGE, self.metainfo) if self.page else None
        self._lines: TextIO | None = None
        self._last = Frame('', None)  # the last frame, without its image
        self._is_stopped = False  # by an exception of the thread
        self._thread = ThreadPoolExecutor(1, 'write')
        self._waiting: deque[Future] = deque()
        if self.record and self.record.size:
            self._open(self.record)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Hand over a frame. It is written soon; an `OSError` in writing an earlier frame is raised here."""
        while len(self._waiting) >= min(MAX_WAITING_FRAMES, MAX_BYTES // max(image_bytes(frame), 1)) and self._waiting:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._write, replace(frame), poses))

    def close(self) -> None:
        """Write what is waiting, and finish all files, even if one of them fails; then raise its `OSError`."""
        self._thread.shutdown()
        with ExitStack() as closing:
            if self._lines:
                for name in WRITERS.keys() & self.save:
                    closing.callback(WRITERS[name][0], self.out, self.metainfo, self._places, self.style.kpt_score)
                if 'coco' in self.save:
                    closing.callback(write_coco, self.out, self.metainfo, self.given)
                closing.callback(self._lines.close)
                if self._page:
                    closing.callback(self._page.close)
                closing.callback(self._finish_video)
            while self._waiting:
                self._waiting.popleft().result()
        if self._lines and self.finished:
            self._write_settings(finished=True)

    def written(self) -> list[str]:
        """Return the names of what is written in the folder."""
        names = (LINES, *MADE, PAGE, DRAWN, CROPS) if self._lines else ()
        return [name for name in names if (self.out / name).exists()]

    def _open(self, record: Record | None = None) -> None:
        """Take over the folder: remove what an earlier prediction left, or read what is continued."""
        if record is None:
            self._remove(PAGE, DRAWN, CROPS, LINES)  # the last one says that they are ours
        self._write_settings()
        self._lines = (self.out / LINES).open('a', encoding='utf-8', buffering=1)
        if record is None:
            self._lines.write(json.dumps(header_of(self.metainfo), allow_nan=False) + '\n')
        else:
            self._lines.truncate(record.size)
            for frame, poses in record.frames():
                self._count(frame, poses)
                if self._page:
                    self._page.write(frame, poses, None)

    def _remove(self, *names: str) -> None:
        for path in (self.out / name for name in names):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def _write(self, frame: Frame, poses: Poses) -> None:
        if self._is_stopped:
            return
        self._is_stopped = True
        if not self._last.name:  # the first frame: what was made of others before is out of date
            self._remove(*MADE)
        if self._lines is None:
            self._open()
        if frame.name != self._last.name:
            self._finish_video()
        if self._kinds[frame.name] == 'live':
            before = self._last.index if frame.name == self._last.name else None
            self.left_out[frame.name] += (frame.index or 0) - (-1 if before is None else before) - 1
        self._last = replace(frame, image=None)
        if not all(np.isfinite(x).all() for x in (poses.boxes, poses.box_scores, poses.keypoints, poses.scores)):
            frame.error = '; '.join(filter(None, (frame.error, 'boxes, keypoints or scores are not finite')))
        if frame.image is not None and self.crops:
            with self._isolated(frame, 'no crops'):
                write_crops(self.out / CROPS, self._places[frame.name], frame, poses)
        if frame.image is not None and (self.draw or self.show or (self._page and self._page.shows(frame))):
            with self._isolated(frame, 'not drawn'):
                drawn = draw_poses(frame.image, poses, self.metainfo, self.style)
                if self.show:
                    self.show(drawn)
                if self.draw and frame.index is None:
                    write_jpeg(self.out / DRAWN / self._places[frame.name], drawn)
                elif self.draw:
                    path = self.out / DRAWN / self._places[frame.name]
                    sound = frame.name if self.sound and self._kinds[frame.name] == 'video' else None
                    self._video = self._video or VideoWriter(path, sound)
                    self._video.write(drawn, frame.time or 0.0)
                if self._page and frame.error is None:
                    self._page.write(frame, poses, drawn)
        self._write_line(frame, poses)
        self._is_stopped = False

    def _write_line(self, frame: Frame, poses: Poses) -> None:
        """Write the line of a frame, and count it; a frame with an error has an entry in the page without picture."""
        assert self._lines is not None
        kinds = self.given.categories.get(frame.name) if self.given else None
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
                self._write_line(end, NOBODY)

    def _write_settings(self, **more: bool) -> None:
        if self.settings is not None:
            write_text(self.out / SETTINGS, json.dumps({**self.settings, **more}, indent=1) + '\n')

    @contextmanager
    def _isolated(self, frame: Frame, what: str) -> Iterator[None]:
        """Make an exception the error of a frame."""
        try:
            yield
        except Exception as problem:
            if isinstance(problem, OSError) and problem.errno in DISK_ERRORS:
                raise
            error = f'{what}: {type(problem).__name__}: {one_line(problem)}'
            frame.error = '; '.join(filter(None, (frame.error, error)))
