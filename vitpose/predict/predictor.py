"""PosePredictor: images in, poses out."""

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby, takewhile
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..errors import InputError, warn
from .batch_runner import BatchRunner
from .batching import Batch, Work, detect_people, fill_batches, find_far_box, group_frames, read_ahead, start_work
from .detection.auto_detector import choose_detector
from .detection.two_pass import FOLLOWED_FRAMES, TwoPassDetector, follow
from .inputs.images import Image, as_frame, is_image, read_frame
from .models.exported import ExportedModel
from .models.loading import load_model
from .poses import Frame, Poses, failed

if TYPE_CHECKING:
    from mmengine.config import Config

    from .models.graph_model import GraphModel

MAX_THREADS = 8
PATIENCE_S = 2.0  # to wait for an iterable that is stopped, for example a camera


class PosePredictor:
    """Predict the poses of people in images and videos with a top-down heatmap model.

    >>> predictor = PosePredictor('base')  # a name of `vitpose models`, or a file of `vitpose export`
    >>> poses = predictor('image.jpg', boxes=[[100, 50, 220, 400]])
    >>> poses.keypoints  # (1, 17, 2) in image pixels
    >>> predictor = PosePredictor.load(config, checkpoint)
    >>> predictor = PosePredictor.load('vitpose-b.pth', dataset='coco')  # a checkpoint alone: without OpenMMLab

    Keypoints are those of MMPose with the same boxes. People of several images share batches; a person's result may
    differ in the last bits between batches of different sizes, and is equal to the bit with `batch_size=1`.

    Args:
        model: a name or an exported file, or what `load_model` returns; as an attribute it has `metainfo`,
            `num_keypoints`, `crop_rule`, `device`, `precision`.
        detector: finds the people of images that come without boxes; None: the whole image is one person; a name or
            file of `open_detector`; or 'auto', by the model's metadata: an `AutoDetector` for people, a
            `TwoPassDetector` for one object, or None.
        batch_size: people per batch, at least 1; None: 16 on the CPU, 64 on a GPU; 'auto': see `BatchRunner`.
        det_every: detect in each Nth frame of a video; in between, boxes follow the keypoints of the frame before.
            None: 1, and 30 for a `TwoPassDetector`, which also searches when the keypoints' scores fall.
        uncertainty: fill in `Poses.covariance`.
        detector_options: `score_threshold`, `nms_threshold` and `categories` of `open_detector`, for a name or 'auto'.
    """

    def __init__(
        self,
        model: 'GraphModel | ExportedModel | str | Path',
        detector: Any = 'auto',
        batch_size: int | str | None = None,
        *,
        det_every: int | None = None,
        uncertainty: bool = False,
        detector_options: Mapping[str, Any] | None = None,
    ):
        for name, value in dict(batch_size=batch_size, det_every=det_every).items():
            is_auto = value is None or (name, value) == ('batch_size', 'auto')
            if not is_auto and not (isinstance(value, int | np.integer) and value >= 1):
                raise InputError(f'{name}={value!r}: expected an integer >= 1')
        self.model = model = load_model(model) if isinstance(model, str | Path) else model
        if not hasattr(model, 'crop_rule'):
            expected = 'expected a name, an exported file or what load_model(config, checkpoint) returns'
            raise InputError(f'model of type {type(model).__name__}: {expected}')
        self._extras = [name for name in getattr(model, 'extras', ()) if uncertainty or name != 'covariance']
        if uncertainty and 'covariance' not in self._extras:
            problem = f'uncertainty: {model.metainfo.get("model")} returns no covariances'
            raise InputError(f'{problem}: export it again, or predict with a checkpoint')
        self.detector = choose_detector(model, detector, **(detector_options or {}))
        self._is_one = isinstance(self.detector, TwoPassDetector)
        self.det_every = det_every or (FOLLOWED_FRAMES if self._is_one else 1)
        self._is_told = False  # whether a warning said that a box is far smaller or larger than in training
        self._threads = min(MAX_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, 'vitpose-crop')
        self._process: int | None = None  # the one that used it first
        self._lock = Lock()  # detector and network take turns: together they would use twice as many threads as cores
        self._runner = BatchRunner(model, batch_size, self._lock, self._extras)
        self.batch_size = self._runner.size

    @classmethod
    def load(
        cls, config: 'str | Path | Config', checkpoint: str | Path | None = None, **options: Any
    ) -> 'PosePredictor':
        """Load a model and return its predictor; `options` are those of `load_model` and of this class."""
        names = ('detector', 'batch_size', 'det_every', 'uncertainty', 'detector_options')
        own = {name: options.pop(name) for name in names if name in options}
        return cls(load_model(config, checkpoint, **options), **own)

    @overload
    def __call__(self, images: list[Any] | Iterator[Any], boxes: list[Any] | None = None) -> list[Poses]: ...

    @overload
    def __call__(self, images: Image, boxes: Any = None) -> Poses: ...

    def __call__(self, images: Image | Iterable[Any], boxes: Any = None) -> Poses | list[Poses]:
        """Predict the poses in an image, or in each image of a list.

        Args:
            images: a path or URL, an array (see `as_bgr`), a Pillow image, the bytes of an image file or a `Frame`, or
                a list or generator of these.
            boxes: (N, 4) x1 y1 x2 y2 in image pixels. For a list of images a list of these, with None where those of
                a `Frame`, the detector or the whole image are to be used. Boxes that cannot be predicted are in
                `Poses.dropped`.

        Raises:
            ValueError: an image cannot be read or predicted, or `boxes` has another form.
        """
        if not isinstance(images, list | tuple):
            is_iterator = isinstance(images, Iterator) and not hasattr(images, 'read')  # which files have
            return self(list(images), boxes) if is_iterator else self([images], [boxes])[0]
        boxes = [None] * len(images) if boxes is None else boxes
        if len(boxes) != len(images):
            raise InputError(f'{len(images)} images with {len(boxes)} sets of boxes: expected one, or None, per image')
        frames = (
            as_frame(image, i) if given is None else replace(as_frame(image, i), boxes=given, box_scores=None)
            for i, (image, given) in enumerate(zip(images, boxes, strict=True))
        )
        predicted = []
        for frame, poses in self._run(frames):
            if frame.error is not None:
                raise InputError(frame.error)
            poses.image = frame.image
            predicted.append(poses)
        return predicted

    def stream(self, frames: Iterable[Frame | Image], live: bool = False) -> Generator[tuple[Frame, Poses], None, None]:
        """Predict frames lazily and in order; memory does not grow with their number, and is bounded in bytes.

        With `live`, as for a camera, a frame is taken only when the one before it was predicted, so that it is new.
        Without it, frames are taken ahead; arrays are not copied, so that each frame needs a new one. Frames with
        neither image nor error are read from their names. A frame that cannot be read, cropped, predicted or decoded is
        yielded with an `error` and poses of no people. What iterating over `frames` raises is raised here, after the
        poses of the frames before it.
        """
        if is_image(frames) or isinstance(frames, str | os.PathLike | Frame) or not hasattr(frames, '__iter__'):
            kind = type(frames).__name__
            raise InputError(f'stream: expected an iterable of images or frames, got {kind}; for one image pass a list')
        return self._run(frames, live)

    def _run(self, items: Iterable[Frame | Image], live: bool = False) -> Generator[tuple[Frame, Poses], None, None]:
        def is_followed(item: Frame | Image) -> bool:
            return live or (self.det_every > 1 and isinstance(item, Frame) and item.index is not None)

        if self._process not in (None, os.getpid()):  # a fork has none of the threads: it would wait forever
            used = f'PosePredictor: used in process {self._process}, and this is its fork {os.getpid()}'
            raise InputError(f"{used}: load the model in each process, or start processes with 'spawn'")
        self._process = os.getpid()
        for follows, group in groupby(items, is_followed):
            yield from (self._follow if follows else self._batches)(group)

    def _batches(self, items: Iterable[Frame | Image]) -> Generator[tuple[Frame, Poses], None, None]:
        stopped, waiting = False, deque[Work]()
        problem: Exception | None = None

        def taken() -> Iterator[Frame | Image]:
            nonlocal problem
            try:
                yield from takewhile(lambda _: not stopped, items)
            except Exception as raised:
                problem = raised

        works = self._works(read_ahead(taken(), self._pool, self._threads, self.model.metainfo.get('bits')))
        batches = fill_batches(works, self.model.crop_rule, self.batch_size, self._pool)
        wanted = SimpleQueue[Future[Batch | None] | None]()

        def fetch() -> None:
            for future in iter(wanted.get, None):
                try:
                    future.set_result(next(batches, None))
                except BaseException as raised:
                    future.set_exception(raised)

        # a daemon, unlike the threads of an executor: frames that never come do not keep the process from ending
        thread = Thread(target=fetch, name='vitpose-prefetch', daemon=True)
        thread.start()
        wanted.put(future := Future[Batch | None]())
        try:
            while (batch := future.result()) is not None:
                wanted.put(future := Future[Batch | None]())  # while this batch is predicted
                waiting.extend(batch.works)
                self._predict(batch)
                del batch  # its images are kept only until they are yielded
                while waiting and waiting[0].is_done:
                    work = waiting.popleft()
                    yield work.frame, work.poses
            if problem is not None:
                raise problem
        finally:
            stopped = True
            wanted.put(None)
            thread.join(PATIENCE_S)

    def _follow(self, items: Iterable[Frame | Image]) -> Generator[tuple[Frame, Poses], None, None]:
        """Predict one frame after the other, because boxes of a video come from the poses of the frame before."""
        name, index = '', 0  # of the frame before
        last: Poses | None = None  # of this video
        count = 0  # of its frames
        searched = 0.0  # mean score of the keypoints at the last detection
        for i, item in enumerate(items):  # nothing is read ahead: the next frame of a camera is to be new
            frame = read_frame(item, i, self.model.metainfo.get('bits'))
            if frame.name != name or not frame.index or frame.index <= index:
                last, count = None, 0
            name, index = frame.name, frame.index or 0
            if last and count % self.det_every:
                frame = follow(frame, last, searched if self._is_one else None)
            count += 1
            is_detected = frame.boxes is None
            (work,) = self._works([frame])
            for batch in fill_batches([work], self.model.crop_rule, self.batch_size, self._pool):
                self._predict(batch)
            if work.frame.error is None:
                last = work.poses
                searched = float(last.scores.mean()) if is_detected and last.scores.size else searched
            yield work.frame, work.poses

    def _works(self, frames: Iterable[Frame]) -> Iterator[Work]:
        """Prepare the people of frames by their boxes, if necessary detected; an exception is the frame's error."""
        options = self.model.crop_rule, self.model.num_keypoints
        for group in group_frames(frames, self.detector.batch_size if self.detector else 1):
            for frame in detect_people(group, self.detector, self._lock):
                try:
                    work = start_work(frame, *options)
                    if not self._is_told and (text := find_far_box(work, self.model.metainfo)):
                        self._is_told = True
                        warn(text)
                except Exception as problem:
                    work = start_work(failed(frame, problem, 'boxes'), *options)
                work.poses.metainfo = self.model.metainfo
                yield work

    def _predict(self, batch: Batch) -> None:
        """Fill in the people of a batch; if it fails, person by person."""
        batch.wait()
        if not batch.people:
            return
        try:
            batch.finish(self.model.crop_rule, *self._runner(batch.crops, len(batch.people)))
        except Exception as problem:
            if len(batch.people) == 1:
                return batch.people[0][0].fail(problem, 'network')
            for i, person in enumerate(batch.people):
                self._predict(Batch(batch.crops[i : i + 1], [person]))
