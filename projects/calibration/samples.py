"""The boxes that this study predicts: people, jittered boxes, boxes without people, renders and animals."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from projects.real_people.photographs import read
from vitpose.predict.evaluation import NO_AREA

JITTER = 0.1  # standard deviation of a jittered box's center, and of the logarithm of its sides, by its sides
FALSE_SHARE = 0.3  # of detector-like boxes
BACKGROUND_SIDES = (0.15, 0.6)  # of a box without people, by the image's
TRIES = 100


@dataclass(frozen=True)
class Sample:
    """A box, and the person who is annotated in it."""

    image: str
    image_id: int
    kind: str  # 'true', 'jittered' or 'background'
    box: tuple[float, ...]  # x1 y1 x2 y2 in image pixels
    keypoints: np.ndarray  # (17, 3): x, y, visibility; all 0 without a person
    scale: float  # square root of the person's area, which is 0.53 of the true box's, in pixels


def photograph_samples(photographs: Path, name: str, seed: int, backgrounds: int = 1) -> list[Sample]:
    """The people of NAME.json with true and with jittered boxes, and so many boxes per image without people."""
    content, rng, samples = read(photographs / f'{name}.json'), np.random.default_rng(seed), []
    for image in content['images']:
        file, size = (
            str(photographs / 'images' / image['file_name']),
            np.array([image['width'], image['height']], float),
        )
        people = [person for person in content['annotations'] if person['image_id'] == image['id']]
        boxes = np.array([person['bbox'] for person in people], float).reshape(-1, 4)
        points = np.array([person['keypoints'] for person in people], float).reshape(-1, 17, 3)
        boxes[:, 2:] += boxes[:, :2]
        for box, labels in zip(boxes, points, strict=True):
            sides = box[2:] - box[:2]
            scale = float(np.sqrt(NO_AREA * sides.prod()))
            center = (box[:2] + box[2:]) / 2 + rng.normal(0, JITTER, 2) * sides
            half = sides * np.exp(rng.normal(0, JITTER, 2)) / 2
            moved = (*(center - half), *(center + half))
            for kind, used in (('true', tuple(box)), ('jittered', moved)):
                samples.append(Sample(file, image['id'], kind, tuple(map(float, used)), labels, scale))
        for _ in range(backgrounds):
            if (found := _background(rng, size, boxes, points)) is not None:
                samples.append(Sample(file, image['id'], 'background', found, np.zeros((17, 3)), 1.0))
    return samples


def render_samples(folder: Path, name: str) -> list[Sample]:
    """The renders of `vitpose synth` in a folder, with true boxes; people have labels, animals none."""
    content, samples = read(folder / 'annotations' / name), []
    files = {image['id']: str(folder / 'val' / image['file_name']) for image in content['images']}
    for each in content['annotations']:
        x, y, w, h = each['bbox']
        labels = np.array(each['keypoints'], float).reshape(-1, 3) if 'person' in name else np.zeros((17, 3))
        box = (x, y, x + w, y + h)
        samples.append(Sample(files[each['image_id']], each['image_id'], 'true', box, labels, (NO_AREA * w * h) ** 0.5))
    return samples


def _background(
    rng: np.random.Generator, size: np.ndarray, boxes: np.ndarray, points: np.ndarray
) -> tuple[float, ...] | None:
    """A box in an image of a size (w, h) with no labeled keypoint in it and an IoU below 0.1 with all people."""
    for _ in range(TRIES):
        sides = size * rng.uniform(*BACKGROUND_SIDES, 2)
        low = rng.uniform(0, 1, 2) * (size - sides)
        high = low + sides
        inside = ((points[..., :2] >= low) & (points[..., :2] <= high)).all(-1) & (points[..., 2] > 0)
        shared = (np.minimum(boxes[:, 2:], high) - np.maximum(boxes[:, :2], low)).clip(0).prod(1)
        union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + sides.prod() - shared
        if not inside.any() and (shared < 0.1 * union).all():
            return tuple(map(float, (*low, *high)))
    return None
