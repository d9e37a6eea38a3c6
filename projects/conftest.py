"""Fixtures that the tests of several projects use."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.coco_files import noise_image, random_person, write_coco


@pytest.fixture(scope='session')
def write_noise() -> Callable[..., Path]:
    """A function that writes a folder like that of the studies' photographs: noise with a person of 14 joints each."""

    def write(folder: Path, people: int, held_out: int = 4, joints: int = 14) -> Path:
        rng = np.random.default_rng(0)
        (folder / 'images').mkdir(parents=True)
        for part, count in (('train', people), ('val', held_out)):
            names = [f'{part}{i}.jpg' for i in range(1, count + 1)]
            for name in names:
                noise_image(folder / 'images' / name, rng, 64, 48)
            annotations = [random_person(rng, i, (4, 4, 40, 56), joints, i) for i in range(1, count + 1)]
            write_coco(folder / f'{part}.json', names, 64, 48, annotations)
        return folder

    return write
