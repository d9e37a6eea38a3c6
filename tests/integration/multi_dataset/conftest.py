"""Tiny data in COCO format, with any number of keypoints."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def write_coco_data() -> Callable[..., None]:
    """A function that writes 4 noise images with one instance each, and their annotation file."""

    def write(images: Path, annotations: Path, keypoints: int) -> None:
        rng = np.random.default_rng(keypoints)
        images.mkdir(parents=True, exist_ok=True)
        annotations.parent.mkdir(parents=True, exist_ok=True)
        content: dict = dict(images=[], annotations=[], categories=[dict(id=1, name='person')])
        for number in range(1, 5):
            name = f'{number:012}.jpg'
            cv2.imwrite(str(images / name), rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
            content['images'].append(dict(id=number, file_name=name, height=HEIGHT, width=WIDTH))
            x, y, w, h = (int(value) for value in rng.integers((0, 0, 40, 50), (40, 30, 80, 60)))
            xy = rng.uniform((x, y), (x + w, y + h), (keypoints, 2)).round(1)
            content['annotations'].append(
                dict(
                    id=number,
                    image_id=number,
                    category_id=1,
                    bbox=[x, y, w, h],
                    area=w * h * 0.5,
                    iscrowd=0,
                    num_keypoints=keypoints,
                    keypoints=[value for point in xy for value in (*point.tolist(), 2)],
                )
            )
        annotations.write_text(json.dumps(content))

    return write
