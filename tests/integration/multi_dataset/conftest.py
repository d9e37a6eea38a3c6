"""Tiny data in COCO format, with any number of keypoints."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.coco_files import noise_image, random_person, write_coco

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def write_coco_data() -> Callable[..., None]:
    """A function that writes 4 noise images with one instance each, and their annotation file."""

    def write(images: Path, annotations: Path, keypoints: int) -> None:
        rng = np.random.default_rng(keypoints)
        images.mkdir(parents=True, exist_ok=True)
        annotations.parent.mkdir(parents=True, exist_ok=True)
        names, people = [f'{number:012}.jpg' for number in range(1, 5)], []
        for number, name in enumerate(names, 1):
            noise_image(images / name, rng, HEIGHT, WIDTH)
            box = rng.integers((0, 0, 40, 50), (40, 30, 80, 60))
            people.append(random_person(rng, number, box, keypoints, number))
        write_coco(annotations, names, HEIGHT, WIDTH, people)

    return write
