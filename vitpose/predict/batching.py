"""Batches of crops of people from several frames."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

import numpy as np

from .inputs.box_checks import check_boxes
from .models.crops import CropRule
from .poses import Frame, Poses


@dataclass
class Work:
    """A frame of N people on its way."""

    frame: Frame  # with its image, or an error
    poses: Poses  # `Batch.finish` fills in the keypoints
    centers: np.ndarray  # (N, 2) of the regions to crop, in image pixels
    scales: np.ndarray  # (N, 2), their sizes
    left: int  # number of people that are not predicted yet


@dataclass
class Batch:
    """People of several frames."""

    crops: np.ndarray  # (B, h, w, 3) uint8 BGR; the first ones are those of `people`
    people: list[tuple[Work, int]] = field(default_factory=list)  # the frame of each person and its index there
    cropping: list[Future] = field(default_factory=list)  # the tasks that write `crops`
    works: list[Work] = field(default_factory=list)  # frames whose first person, or absence of people, is in this batch

    def finish(self, rule: CropRule, keypoints: np.ndarray, scores: np.ndarray) -> None:
        """Fill in keypoints (B, K, 2) in MMPose's input pixels and scores (B, K)."""
        centers = np.stack([work.centers[i] for work, i in self.people])
        scales = np.stack([work.scales[i] for work, i in self.people])
        in_image = rule.to_image(keypoints, centers, scales)
        for (work, i), person, person_scores in zip(self.people, in_image, scores, strict=True):
            work.poses.keypoints[i], work.poses.scores[i] = person, person_scores
            work.left -= 1


def start_work(
    frame: Frame, boxes: np.ndarray | None, box_scores: np.ndarray | None, rule: CropRule, num_keypoints: int
) -> Work:
    """The people to predict in a frame: none without an image, the whole image without boxes."""
    height, width = (0, 0) if frame.image is None else frame.image.shape[:2]
    if frame.image is None or boxes is None:
        boxes, box_scores = np.array([[0, 0, width, height]])[: frame.image is not None], None
    kept, scores, rows, dropped = check_boxes(boxes, box_scores, (width, height))
    shape = len(kept), num_keypoints
    poses = Poses(np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32), kept, scores, rows, dropped=dropped)
    return Work(frame, poses, *rule.regions(kept), left=len(kept))


def fill_batches(works: Iterable[Work], rule: CropRule, size: int, pool: Executor) -> Iterator[Batch]:
    """Crop people into batches of `size`; smaller ones only at the end, or if 2 x `size` frames wait for one."""
    shape = (size, *rule.input_size[::-1], 3)
    batch = Batch(np.empty(shape, np.uint8))
    for work in works:
        batch.works.append(work)
        start, count = 0, len(work.centers)
        while start < count:
            used = len(batch.people)
            part = slice(start, min(count, start + size - used))
            batch.people += [(work, i) for i in range(part.start, part.stop)]
            assert work.frame.image is not None  # it has people
            out = batch.crops[used : len(batch.people)]
            batch.cropping.append(pool.submit(rule.crop, work.frame.image, work.centers[part], work.scales[part], out))
            start = part.stop
            if len(batch.people) == size:
                yield batch
                batch = Batch(np.empty(shape, np.uint8))
        if batch.works and (not batch.people or len(batch.works) >= 2 * size):
            yield batch
            batch = Batch(np.empty(shape, np.uint8))
    if batch.people or batch.works:
        yield batch
