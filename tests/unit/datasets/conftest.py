from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope

from tests.coco_files import person, write_coco


@pytest.fixture
def mmpose_scope() -> Iterator[None]:
    """Same as `default_scope = 'mmpose'` in a config."""
    with DefaultScope.overwrite_default_scope('mmpose'):
        yield


@pytest.fixture
def coco_files(tmp_path: Path) -> Callable[..., dict]:
    """A function that writes a number of instances with K keypoints, and returns the dataset's arguments."""

    def write(name: str, instances: int, keypoints: int, image: str = 'one.jpg', **fields: object) -> dict:
        folder = tmp_path / name
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / image), np.full((96, 128, 3), 99, np.uint8))
        points = np.array([(12 + k % 60, 10 + k % 50, 2) for k in range(keypoints)])
        file_name = fields.pop('file_name', image)
        people = [person(i + 1, [10, 8, 80, 70], points, segmentation=[]) | fields for i in range(instances)]
        write_coco(folder / 'annotations.json', [file_name], 96, 128, people)
        return dict(data_root=str(folder), ann_file='annotations.json', data_prefix=dict(img=''))

    return write
