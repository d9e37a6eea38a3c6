"""Fixtures that the tests of several projects use."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope='session')
def write_noise() -> Callable[..., Path]:
    """A function that writes a folder like that of the studies' photographs: noise with a person of 14 joints each."""

    def write(folder: Path, people: int, held_out: int = 4, joints: int = 14) -> Path:
        rng = np.random.default_rng(0)
        (folder / 'images').mkdir(parents=True)
        for part, count in (('train', people), ('val', held_out)):
            images, annotations = [], []
            for i in range(1, count + 1):
                name = f'{part}{i}.jpg'
                cv2.imwrite(str(folder / 'images' / name), rng.integers(0, 255, (64, 48, 3), np.uint8))
                images.append(dict(id=i, file_name=name, width=48, height=64))
                points = np.column_stack((rng.uniform(6, 40, joints), rng.uniform(6, 56, joints), np.full(joints, 2)))
                person = dict(id=i, image_id=i, category_id=1, iscrowd=0, bbox=[4, 4, 40, 56], area=2240)
                keypoints = points.round(1).ravel().tolist()
                annotations.append(person | dict(num_keypoints=joints, keypoints=keypoints))
            categories = [dict(id=1, name='person')]
            content = dict(images=images, annotations=annotations, categories=categories)
            (folder / f'{part}.json').write_text(json.dumps(content))
        return folder

    return write
