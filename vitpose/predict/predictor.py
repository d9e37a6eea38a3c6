"""PosePredictor: images in, poses out."""

import os
import sys
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

from vitpose_base.installed import missing_packages

from ..errors import InputError
from ..models.names import check_name, find_files, is_name, keypoints_of
from .auto_detector import AutoDetector
from .batching import MAX_BYTES, Batch, Work, fill_batches, group_frames, image_bytes, start_work
from .extras import need, need_openmmlab
from .inputs.images import Image, as_frame, is_image, is_video_frame, read_frame
from .models.exported import ExportedModel, is_checkpoint, is_exported
from .onnx_detector import open_detector
from .poses import Frame, Poses, failed
from .two_pass import TwoPassDetector, box_around

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..models.catalogue import NamedModel
    from .models.graph_model import GraphModel

MAX_THREADS = 8
FOLLOWED_FRAMES = 30  # of a video, after each of which the one object is searched again
FAR_SHARE = 4.0  # factor by which a box may leave the range of the training set
MIN_KEPT_SCORE = 0.6  # of the mean score at the last search, below which the object is searched again
PATIENCE = 2.0  # seconds to wait for an iterable that is stopped, for example a camera


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
        batch_size: people per batch, at least 1; None: 16 on the CPU, 64 on a GPU.
        det_every: detect in each Nth frame of a video; in between, boxes follow the keypoints of the frame before.
            None: 1, and 30 for a `TwoPassDetector`, which also searches when the keypoints' scores fall.
        detector_options: `score_threshold`, `nms_threshold` and `categories` of `open_detector`, for a name or 'auto'.
    """

    def __init__(
        self,
        model: 'GraphModel | ExportedModel | str | Path',
        detector: Any = 'auto',
        batch_size: int | None = None,
        *,
        det_every: int | None = None,
        detector_options: Mapping[str, Any] | None = None,
    ):
        for name, value in dict(batch_size=batch_size, det_every=det_every).items():
            if value is not None and value < 1:
                raise InputError(f'{name}={value}: expected at least 1')
        model = load_model(model) if isinstance(model, str | Path) else model
        kind = model.metainfo.get('objects') if detector == 'auto' else None
        options = {key: value for key, value in (detector_options or {}).items() if value is not None}
        if kind == 'person':
            detector = AutoDetector(model, **options)
        elif options and not (isinstance(detector, str | Path) and detector != 'auto'):
            found = 'the model has none by default' if detector == 'auto' else f'detector={detector!r} has its own'
            raise InputError(f'{", ".join(options)}: options of a detector by name, and {found}')
        elif detector == 'auto':
            detector = TwoPassDetector(model) if kind == 'two_pass' else None
        elif isinstance(detector, str | Path):
            detector = open_detector(detector, device=str(model.device), **options)
        self.model, self.detector = model, detector
        self.det_every = det_every or (FOLLOWED_FRAMES if isinstance(detector, TwoPassDetector) else 1)
        self._is_cpu = str(model.device) == 'cpu'
        self._is_told = False  # that a box is far smaller or larger than those of the training set
        self.batch_size = batch_size or (16 if self._is_cpu else 64)
        self._threads = min(MAX_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, 'vitpose-crop')
        self._lock = Lock()  # detector and network take turns: together they would use twice as many threads as cores

    @classmethod
    def load(
        cls, config: 'str | Path | Config', checkpoint: str | Path | None = None, **options: Any
    ) -> 'PosePredictor':
        """Load a model and return its predictor; `options` are those of `load_model` and of this class."""
        names = ('detector', 'batch_size', 'det_every', 'detector_options')
        own = {name: options.pop(name) for name in names if name in options}
        return cls(load_model(config, checkpoint, **options), **own)

    @overload
    def __call__(self, images: list[Any] | Iterator[Any], boxes: list[Any] | None = None) -> list[Poses]: ...

    @overload
    def __call__(self, images: Image, boxes: Any = None) -> Poses: ...

    def __call__(self, images: Image | Iterable[Any], boxes: Any = None) -> Poses | list[Poses]:
        """Predict the poses in an image, or in each image of a list.

        Args:
            images: a path or URL, an array (see `as_bgr`), a Pillow image or the bytes of an image file, or a list or
                generator of these.
            boxes: (N, 4) x1 y1 x2 y2 in image pixels. For a list of images a list of these, with None where the
                detector or the whole image is to be used. Boxes that cannot be predicted are in `Poses.dropped`.

        Raises:
            ValueError: an image cannot be read or predicted, or `boxes` are not such.
        """
        if not isinstance(images, list | tuple):
            several = isinstance(images, Iterator) and not hasattr(images, 'read')  # which files have
            return self(list(images), boxes) if several else self([images], [boxes])[0]
        boxes = [None] * len(images) if boxes is None else boxes
        if len(boxes) != len(images):
            raise InputError(f'{len(images)} images with {len(boxes)} sets of boxes: expected one, or None, per image')
        frames = (replace(as_frame(image, i), boxes=boxes[i]) for i, image in enumerate(images))
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
        Frames with neither image nor error are read from their names. A frame that cannot be read, cropped, predicted
        or decoded is yielded with an `error` and poses of no people. What iterating over `frames` raises is raised
        here, after the poses of the frames before it.
        """
        if is_image(frames) or isinstance(frames, str | os.PathLike | Frame) or not hasattr(frames, '__iter__'):
            kind = type(frames).__name__
            raise InputError(f'stream: expected an iterable of images or frames, got {kind}; for one image pass a list')
        return self._run(frames, live)

    def _run(self, items: Iterable[Frame | Image], live: bool = False) -> Generator[tuple[Frame, Poses], None, None]:
        for is_followed, group in groupby(items, lambda item: live or (self.det_every > 1 and is_video_frame(item))):
            yield from (self._follow if is_followed else self._batches)(group)

    def _batches(self, items: Iterable[Frame | Image]) -> Generator[tuple[Frame, Poses], None, None]:
        stopped, waiting = False, deque[Work]()
        problem: Exception | None = None

        def taken() -> Iterator[Frame | Image]:
            nonlocal problem
            try:
                yield from takewhile(lambda _: not stopped, items)
            except Exception as raised:
                problem = raised

        works = self._works(self._read(taken()))
        batches = fill_batches(works, self.model.crop_rule, self.batch_size, self._pool)
        wanted = SimpleQueue[Future[Batch | None] | None]()

        def take() -> None:
            for future in iter(wanted.get, None):
                try:
                    future.set_result(next(batches, None))
                except BaseException as raised:
                    future.set_exception(raised)

        # a daemon, unlike the threads of an executor: frames that never come do not keep the process from ending
        thread = Thread(target=take, name='vitpose-prefetch', daemon=True)
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
                    work.poses.metainfo = self.model.metainfo
                    yield work.frame, work.poses
            if problem is not None:
                raise problem
        finally:
            stopped = True
            wanted.put(None)
            thread.join(PATIENCE)

    def _follow(self, items: Iterable[Frame | Image]) -> Generator[tuple[Frame, Poses], None, None]:
        """One frame after the other, because boxes of a video come from the poses of the frame before."""
        name: str | None = None
        last: Poses | None = None  # of this video
        count = 0  # of its frames
        searched = 0.0  # mean score of the keypoints at the last detection
        for frame in self._read(items):
            if frame.name != name or not frame.index:
                name, last, count = frame.name, None, 0
            count += 1
            is_detected = frame.boxes is None
            if last and (count - 1) % self.det_every and is_detected and frame.image is not None:
                size = frame.image.shape[1::-1]
                boxes = [box_around(*person, size) for person in zip(last.keypoints, last.scores, strict=True)]
                kept = [i for i, box in enumerate(boxes) if box is not None]
                if not self._is_lost(last, kept, searched):
                    following = np.array([boxes[i] for i in kept], np.float32).reshape(-1, 4)
                    frame, is_detected = replace(frame, boxes=following, box_scores=last.box_scores[kept]), False
            (work,) = self._works([frame])
            for batch in fill_batches([work], self.model.crop_rule, self.batch_size, self._pool):
                self._predict(batch)
            work.poses.metainfo = self.model.metainfo
            if work.frame.error is None:
                last = work.poses
                searched = float(last.scores.mean()) if is_detected and last.scores.size else searched
            yield work.frame, work.poses

    def _is_lost(self, last: Poses, kept: list[int], searched: float) -> bool:
        """Whether the one object of a `TwoPassDetector` must be searched again."""
        if not isinstance(self.detector, TwoPassDetector):
            return False
        return not kept or float(last.scores.mean()) < MIN_KEPT_SCORE * searched

    def _read(self, items: Iterable[Frame | Image]) -> Iterator[Frame]:
        """Frames with their images; files are read ahead as far as there are threads and MAX_BYTES allow."""
        reading: deque[Future[Frame]] = deque()
        bits = self.model.metainfo.get('bits')
        expected = MAX_BYTES  # size of an image that is not read yet: that of the last one
        for i, item in enumerate(items):
            frame = as_frame(item, i)
            is_array = isinstance(frame.image, np.ndarray)
            reading.append(self._pool.submit(read_frame, frame, i, bits))
            del item, frame
            while reading:
                sizes = (image_bytes(future.result()) if future.done() else expected for future in reading)
                has_room = len(reading) < self._threads and sum(sizes) + expected <= MAX_BYTES
                if has_room and not is_array and not reading[0].done():
                    break
                frame = reading.popleft().result()
                expected = image_bytes(frame) or expected
                yield frame
                del frame
        while reading:
            yield reading.popleft().result()

    def _works(self, frames: Iterable[Frame]) -> Iterator[Work]:
        """The people of frames by their boxes, if necessary from the detector; an exception is the frame's error."""
        options = self.model.crop_rule, self.model.num_keypoints
        for group in group_frames(frames, self.detector.batch_size if self.detector else 1):
            for frame in self._detect(group):
                try:
                    work = start_work(frame, *options)
                    self._compare_boxes(work)
                except Exception as problem:
                    work = start_work(failed(frame, problem, 'boxes'), *options)
                yield work

    def _compare_boxes(self, work: Work) -> None:
        """Say once on stderr if a box is much smaller or larger, in its image, than those of the training set."""
        limits = self.model.metainfo.get('box_share')
        if self._is_told or not limits or work.frame.image is None or not len(work.poses.boxes):
            return
        height, width = work.frame.image.shape[:2]
        shares = (work.poses.boxes[:, 2:] - work.poses.boxes[:, :2]).prod(1) / (width * height)
        if self.model.metainfo.get('objects') == 'two_pass':
            limits = limits[0], 1.0  # whole images are in the training set, too
        if (far := shares[(shares * FAR_SHARE < limits[0]) | (shares > limits[1] * FAR_SHARE)]).size:
            self._is_told = True
            known = f'the model was trained with boxes of {limits[0]:.2%} to {limits[1]:.2%}'
            text = f'{work.frame.name}: a box takes {far[0]:.2%} of the image, and {known}: keypoints may be far off'
            print(text, file=sys.stderr)

    def _detect(self, frames: list[Frame]) -> list[Frame]:
        """Give frames without boxes those of the detector; if it fails with several frames, one by one."""
        images = {i: frame.image for i, frame in enumerate(frames) if frame.boxes is None and frame.image is not None}
        if not self.detector or not images:
            return frames
        try:
            with self._lock:
                detected = [(boxes, scores) for boxes, scores in self.detector(list(images.values()))]
            if len(detected) != len(images):
                raise InputError(f'boxes for {len(detected)} of {len(images)} images')
        except Exception as problem:
            if len(frames) == 1:
                return [failed(frames[0], problem, 'detector')]
            return [self._detect([frame])[0] for frame in frames]
        for i, (boxes, scores) in zip(images, detected, strict=True):
            frames[i] = replace(frames[i], boxes=boxes, box_scores=scores)
        return frames

    def _predict(self, batch: Batch) -> None:
        """Fill in the people of a batch; if it fails, person by person."""
        batch.wait()
        if not batch.people:
            return
        try:
            batch.finish(self.model.crop_rule, *self._run_network(batch.crops, len(batch.people)))
        except Exception as problem:
            if len(batch.people) == 1:
                return batch.people[0][0].fail(problem, 'network')
            for i, person in enumerate(batch.people):
                self._predict(Batch(batch.crops[i : i + 1], [person]))

    def _run_network(self, crops: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints and scores of the first `count` crops; on a GPU the batch is filled up to a power of two."""
        filled = count if self._is_cpu else min(1 << (count - 1).bit_length(), self.batch_size)
        crops[count:filled] = 0
        with self._lock:
            keypoints, scores = self.model.predict(crops[:filled])
        shape = filled, self.model.num_keypoints
        if keypoints.shape != (*shape, 2) or scores.shape != shape:
            raise InputError(f'keypoints {keypoints.shape}, scores {scores.shape}: expected {(*shape, 2)}, {shape}')
        return keypoints[:count], scores[:count]


def load_model(
    config: 'str | Path | Config',
    checkpoint: str | Path | None = None,
    *,
    device: str = 'auto',
    precision: str | None = None,
    flip_test: bool = False,
    dataset: str | None = None,
    compile: bool = False,
    cfg_options: dict[str, Any] | None = None,
) -> 'GraphModel | ExportedModel':
    """Load the model of a config and a checkpoint, of a checkpoint alone, or an exported file.

    Args:
        config: config file, or a loaded config, which need OpenMMLab; or a file of `vitpose export`; or a checkpoint of
            a ViTPose, which needs torch alone, see `NetworkModel`; or a name of `vitpose models` or of the hub, whose
            files are downloaded once; or a folder of transformers.
        checkpoint: weights of the config's model; no code in the file runs. None for the others.
        device: 'auto' (the first GPU, or else the CPU), 'cpu', 'cuda', 'cuda:1', ...
        precision: 'fp32', 'bf16' or 'fp16' (GPU only); None: fp32, or that of the file. Where a processor only emulates
            bfloat16, bf16 means fp32.
        flip_test: average the heatmaps with those of the mirrored crop, as the config's test_cfg says; twice the time.
        dataset: of a multi-dataset model, whose head, expert, keypoints, crop and codec are used; or that of a
            checkpoint alone, if it does not record it.
        cfg_options: values to override in a config, by dotted key, as `mim test --cfg-options`.
        compile: compile the network of a config with torch.compile in the first batch, which takes minutes.

    OSError if a file does not exist; ValueError: see `PoseModel`, `NetworkModel`, `ExportedModel` and its `check`.
    """
    if checkpoint is None and isinstance(config, str | Path) and is_name(config):
        check_name(str(config))
        named = find_files(str(config))
        if named.config is None:
            config = named.file
        elif missing_packages() and not cfg_options:  # which take a config
            return _load_alone(named, (device, precision or 'fp32', flip_test, dataset, compile))
        else:
            config, checkpoint, dataset = named.config, named.file, dataset or named.dataset
            cfg_options = {**named.cfg_options, **(cfg_options or {})}
    if isinstance(config, str | Path) and is_exported(config):
        for name, value in dict(checkpoint=checkpoint, compile=compile, cfg_options=cfg_options).items():
            if value:
                raise InputError(f'{config} with {name}={value}: only with a config; an exported file is complete')
        exported = ExportedModel(config, device)
        exported.check(precision, flip_test, dataset)
        return exported
    options = device, precision or 'fp32', flip_test, dataset, compile
    if isinstance(config, str | Path) and is_checkpoint(config):
        for name, value in dict(checkpoint=checkpoint, cfg_options=cfg_options).items():
            if value:
                raise InputError(f'{config} with {name}={value}: only with a config; a checkpoint alone has none')
        need('torch', 'a checkpoint')
        from .models.network_model import NetworkModel

        return NetworkModel(config, *options)
    if checkpoint is None:
        raise InputError(f'{config}: expected a checkpoint with a config; only an exported file needs none')
    need_openmmlab(config)
    from .models.torch_model import PoseModel

    return PoseModel(config, checkpoint, *options, cfg_options)


def _load_alone(named: 'NamedModel', options: tuple[str, str, bool, str | None, bool]) -> 'GraphModel':
    """The model of a name, on torch alone; ValueError if its file needs options that only a config takes."""
    about = {key: named.cfg_options[key] for key in ('license', 'objects') if key in named.cfg_options}
    others = set(named.cfg_options) - set(about)
    # of a folder of transformers, the weights tell the network, too, but not the names of its keypoints
    if others and (not named.file.is_dir() or 'test_dataloader.dataset.metainfo' in others):
        need_openmmlab(named.file)
    need('torch', 'a checkpoint')
    from .models.network_model import NetworkModel

    device, precision, flip_test, dataset, compile = options
    dataset = dataset or named.dataset or keypoints_of(named)
    model = NetworkModel(named.file, device, precision, flip_test, dataset, compile)
    model.metainfo |= about
    return model
