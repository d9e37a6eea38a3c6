"""Files in COCO format for tests: people with any keypoints, on images of noise."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np


def person(number: int, box: Sequence[float], keypoints: np.ndarray, image_id: int = 1, **more: object) -> dict:
    """Return an annotation with keypoints (K, 2), all labeled, or (K, 3)."""
    points = keypoints if keypoints.shape[1] == 3 else np.column_stack((keypoints, np.full(len(keypoints), 2)))
    joints = dict(num_keypoints=int((points[:, 2] > 0).sum()), keypoints=points.ravel().tolist())
    place = dict(image_id=image_id, bbox=list(box), area=box[2] * box[3] * 0.5)
    return dict(id=number, category_id=1, iscrowd=0, **place, **joints, **more)


def random_person(rng: np.random.Generator, number: int, box: Sequence[int], keypoints: int, image_id: int) -> dict:
    x, y, w, h = map(int, box)
    return person(number, (x, y, w, h), rng.uniform((x, y), (x + w, y + h), (keypoints, 2)).round(1), image_id)


def noise_image(file: Path, rng: np.random.Generator, height: int, width: int) -> None:
    cv2.imwrite(str(file), rng.integers(0, 255, (height, width, 3), np.uint8))


def write_coco(file: Path, names: Sequence[str], height: int, width: int, people: Sequence[dict]) -> None:
    """Write an annotation file; the ids of the images count from 1."""
    images = [dict(id=i, file_name=name, height=height, width=width) for i, name in enumerate(names, 1)]
    categories = [dict(id=1, name='person')]
    file.write_text(json.dumps(dict(images=images, annotations=list(people), categories=categories)))
