"""Batches of crops of people from several frames."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from ..errors import InputError
from .inputs.coco_json import short_text
from .inputs.images import Image, as_frame, read_frame
from .models.crops import CropRule
from .poses import EXTRAS, Frame, Poses, failed

MAX_BYTES = 40 << 20  # of images that wait in one place; a larger one waits alone
FAR_FACTOR = 4.0  # factor by which a box may leave the range of the training set


@dataclass
class Work:
    """A frame whose N people are being predicted."""

    frame: Frame  # with its image, or an error
    poses: Poses  # `Batch.finish` fills in the keypoints
    centers: np.ndarray  # (N, 2) of the regions to crop, in image pixels
    scales: np.ndarray  # (N, 2), their sizes
    left: int  # number of people that are not predicted yet

    @property
    def is_done(self) -> bool:
        """Whether all people are predicted, or the frame failed."""
        return not self.left or self.frame.error is not None

    def fail(self, problem: Exception, step: str) -> None:
        """Give the frame an error instead of its people."""
        self.frame, poses = failed(self.frame, problem, step), self.poses
        people = ('keypoints', 'scores', 'boxes', 'box_scores', 'rows')
        nothing: dict[str, Any] = dict.fromkeys(EXTRAS)
        self.poses = replace(poses, **{name: getattr(poses, name)[:0] for name in people}, **nothing)


@dataclass
class Batch:
    """People of several frames."""

    crops: Any  # (B, h, w, 3) uint8 BGR, see `CropRule.empty`; the first ones are those of `people`
    people: list[tuple[Work, int]] = field(default_factory=list)  # the frame of each person, and the index in it
    cropping: list[tuple[Work, Future]] = field(default_factory=list)  # the tasks that write `crops`
    works: list[Work] = field(default_factory=list)  # frames whose first person, or absence of people, is in this batch

    def wait(self) -> None:
        """Wait for the crops, and leave out the people of frames that failed."""
        for work, future in self.cropping:
            try:
                if start_waiting := future.result():  # for crops on another stream of the device
                    start_waiting()
            except Exception as problem:
                work.fail(problem, 'crop')
        good = [i for i, (work, _) in enumerate(self.people) if work.frame.error is None]
        if len(good) < len(self.people):
            self.crops[: len(good)] = self.crops[good]
            self.people = [self.people[i] for i in good]

    def finish(self, rule: CropRule, keypoints: np.ndarray, scores: np.ndarray, extras: Mapping[str, Any]) -> None:
        """Fill in keypoints (B, K, 2) in MMPose's input pixels, scores (B, K) and extras; infinite ones fail a frame.

        A covariance among the extras is in input pixels squared.
        """
        centers = np.stack([work.centers[i] for work, i in self.people])
        scales = np.stack([work.scales[i] for work, i in self.people])
        with np.errstate(over='ignore', invalid='ignore'):
            in_image = rule.to_image(keypoints, centers, scales)
        finite = np.isfinite(in_image).all((1, 2)) & np.isfinite(scores).all(1)
        if 'covariance' in extras:
            ratio = (scales / rule.input_size)[:, None, :, None]
            extras = {**extras, 'covariance': (extras['covariance'] * ratio * ratio.swapaxes(2, 3)).astype(np.float32)}
        for j, ((work, i), person, person_scores) in enumerate(zip(self.people, in_image, scores, strict=True)):
            if not finite[j]:
                work.fail(InputError(f'person {i} got keypoints or scores that are NaN or infinite'), 'network')
            elif work.frame.error is None:
                work.poses.keypoints[i], work.poses.scores[i] = person, person_scores
                for name, values in extras.items():
                    if getattr(work.poses, name) is None:
                        setattr(work.poses, name, np.zeros((len(work.centers), *values.shape[1:]), np.float32))
                    getattr(work.poses, name)[i] = values[j]
                work.left -= 1


def image_bytes(frame: Frame) -> int:
    """Return the size of a frame's image in memory, in bytes."""
    return 0 if frame.image is None else frame.image.nbytes


def read_ahead(items: Iterable[Frame | Image], pool: Executor, threads: int, bits: int | None) -> Iterator[Frame]:
    """Yield frames with their images; files are read ahead as far as there are threads and MAX_BYTES allow.

    `bits` are those of 16-bit images, see `read_frame`.
    """
    reading: deque[Future[Frame]] = deque()
    expected = MAX_BYTES  # size of an image that is not read yet: that of the last one
    for i, item in enumerate(items):
        frame = as_frame(item, i)
        is_array = isinstance(frame.image, np.ndarray)
        reading.append(pool.submit(read_frame, frame, i, bits))
        del item, frame
        while reading:
            sizes = (image_bytes(future.result()) if future.done() else expected for future in reading)
            has_room = len(reading) < threads and sum(sizes) + expected <= MAX_BYTES
            if has_room and not is_array and not reading[0].done():
                break
            frame = reading.popleft().result()
            expected = image_bytes(frame) or expected
            yield frame
            del frame
    while reading:
        yield reading.popleft().result()


def detect_people(frames: list[Frame], detector: Any, lock: AbstractContextManager) -> list[Frame]:
    """Give frames without boxes those of the detector, if there is one; if it fails with several, one by one."""
    images = {i: frame.image for i, frame in enumerate(frames) if frame.boxes is None and frame.image is not None}
    if not detector or not images:
        return frames
    try:
        with lock:
            detected = [(boxes, scores) for boxes, scores in detector(list(images.values()))]
        if len(detected) != len(images):
            raise InputError(f'boxes for {len(detected)} of {len(images)} images')
    except Exception as problem:
        if len(frames) == 1:
            return [failed(frames[0], problem, 'detector')]
        return [detect_people([frame], detector, lock)[0] for frame in frames]
    for i, (boxes, scores) in zip(images, detected, strict=True):
        frames[i] = replace(frames[i], boxes=boxes, box_scores=scores)
    return frames


def group_frames(frames: Iterable[Frame], count: int) -> Iterator[list[Frame]]:
    """Group frames into lists of `count`; shorter ones at the end, or if they have MAX_BYTES."""
    group: list[Frame] = []
    for frame in frames:
        group.append(frame)
        if len(group) == count or sum(map(image_bytes, group)) >= MAX_BYTES:
            yield group
            group = []
    if group:
        yield group


def start_work(frame: Frame, rule: CropRule, num_keypoints: int) -> Work:
    """Prepare the people to predict in a frame: none without an image, the whole image without boxes."""
    boxes: Any = ()
    box_scores, size = None, (0, 0)
    if frame.image is not None:
        size = frame.image.shape[1::-1]
        boxes, box_scores = ([(0, 0, *size)], None) if frame.boxes is None else (frame.boxes, frame.box_scores)
    kept, scores, rows, dropped = select_boxes(boxes, box_scores, size)
    shape = len(kept), num_keypoints
    poses = Poses(np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32), kept, scores, rows, dropped=dropped)
    return Work(frame, poses, *rule.regions(kept), left=len(kept))


def find_far_box(work: Work, metainfo: Mapping[str, Any]) -> str | None:
    """Describe a box whose share of the image is far outside that of the training boxes; None if there is none."""
    limits, boxes = metainfo.get('box_share'), work.poses.boxes
    if not limits or work.frame.image is None or not len(boxes):
        return None
    height, width = work.frame.image.shape[:2]
    shares = (boxes[:, 2:] - boxes[:, :2]).prod(1) / (width * height)
    most = 1.0 if metainfo.get('objects') == 'two_pass' else limits[1]  # also trained on whole images
    far = shares[(shares * FAR_FACTOR < limits[0]) | (shares > most * FAR_FACTOR)]
    if not far.size:
        return None
    known = f'the model was trained with boxes of {limits[0]:.2%} to {most:.2%}'
    return f'{work.frame.name}: a box takes {far[0]:.2%} of the image, and {known}: keypoints may be far off'


def fill_batches(works: Iterable[Work], rule: CropRule, size: int, pool: Executor) -> Iterator[Batch]:
    """Crop people into batches of `size`; smaller at the end, or where 2 x `size` frames or MAX_BYTES wait for one."""
    batch = Batch(rule.empty(size))
    for work in works:
        batch.works.append(work)
        image, start, count = rule.source(cast(np.ndarray, work.frame.image)), 0, len(work.centers)
        while start < count:
            used = len(batch.people)
            part = slice(start, min(count, start + size - used))
            batch.people += [(work, i) for i in range(part.start, part.stop)]
            out = batch.crops[used : len(batch.people)]
            task = pool.submit(rule.crop, image, work.centers[part], work.scales[part], out)
            batch.cropping.append((work, task))
            start = part.stop
            if len(batch.people) == size:
                yield batch
                batch = Batch(rule.empty(size))
        is_large = sum(image_bytes(each.frame) for each in batch.works) + image_bytes(work.frame) > MAX_BYTES
        if batch.works and (not batch.people or len(batch.works) >= 2 * size or is_large):
            yield batch
            batch = Batch(rule.empty(size))
    if batch.people or batch.works:
        yield batch


def select_boxes(
    boxes: Any, scores: Any, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Select the boxes that can be predicted, of (N, 4) x1 y1 x2 y2 in image pixels with scores (N,), None for 1.

    They are not clipped to the image, whose size is (w, h). ValueError if they are not numbers, or have another shape.

    Returns boxes (M, 4) float32, scores (M,) float32, their indices (M,) among the N boxes, and one line with the
    reason for each of the N - M boxes that were dropped.
    """
    try:
        with np.errstate(over='ignore'):  # too large for float32: infinite
            array = np.array(list(boxes) or np.zeros((0, 4)), np.float32)
            numbers = np.ones(len(array), np.float32) if scores is None else np.asarray(scores, np.float32)
        if array.shape[1:] != (4,) or numbers.shape != (len(array),):
            raise ValueError('expected N x 4 numbers x1 y1 x2 y2 (a single box as [box]), and N scores or None')
    except (TypeError, ValueError, OverflowError) as problem:
        raise InputError(f'boxes {short_text(boxes)} with scores {short_text(scores)}: {problem}') from problem
    x1, y1, x2, y2 = array.T
    outside = (x2 <= 0) | (y2 <= 0) | (x1 >= size[0]) | (y1 >= size[1])
    problems: tuple[tuple[Any, str], ...] = (
        (~np.isfinite(array).all(1), 'expected finite numbers'),
        ((x2 <= x1) | (y2 <= y1), 'it has no area; expected x1 < x2 and y1 < y2'),
        (outside, f'it lies outside of the image of {size[0]}x{size[1]} pixels'),
        (~np.isfinite(numbers), 'its score is not finite'),
    )
    reasons = [next((reason for is_bad, reason in problems if is_bad[i]), '') for i in range(len(array))]
    dropped = [f'box {i} {short_text(array[i])}: {reason}' for i, reason in enumerate(reasons) if reason]
    indices = np.array([i for i, reason in enumerate(reasons) if not reason], np.int64)
    return array[indices], numbers[indices], indices, dropped
