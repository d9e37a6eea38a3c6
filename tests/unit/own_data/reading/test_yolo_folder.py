"""YOLO-pose folders: keypoints and names; folders with errors are refused with where and why."""

import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import read


def test_yolo(tmp_path):
    found = read(makers.write_yolo(tmp_path, kpt_names={0: makers.NAMES}, flip_idx=[0, 2, 1, 3]))
    assert found.category == 'mouse' and found.labels.names == makers.NAMES and found.labels.mirror == [0, 2, 1, 3]
    assert [photo.split for photo in found.photos] == ['train'] * 6 + ['val'] * 2
    for i, photo in enumerate(found.photos[:6]):
        np.testing.assert_allclose(photo.instances[0].keypoints, makers.keypoints(i), atol=1e-5)
        np.testing.assert_allclose(photo.instances[0].box, (2, 4, 34, 42), atol=1e-5)


def test_yolo_without_visibility_and_names(tmp_path):
    found = read(makers.write_yolo(tmp_path, shape=(4, 2)))
    assert found.labels.names == ['keypoint_0', 'keypoint_1', 'keypoint_2', 'keypoint_3']
    assert found.photos[2].instances[0].keypoints[:, 2].tolist() == [2, 0, 2, 2]


def test_bad_yolo_folders(tmp_path):
    file = makers.write_yolo(tmp_path)
    label = tmp_path / 'labels/train/train0.txt'
    good = label.read_text()
    for text, message in (
        (
            good.replace('0.2375', '19'),
            r'train0.txt, line 1: 19: expected values from 0 to 1, as fractions of the image',
        ),
        ('0 0.5 0.5', r'expected 17 numbers \(class, box, 4 keypoints of 3\), got 3'),
        (f'3{good[1:]}', 'labels of class 3, which is not among names'),
    ):
        label.write_text(text)
        with pytest.raises(ValueError, match=message):
            read(tmp_path)
    label.write_text(good)
    text = file.read_text()
    for old, new, message in (
        ('kpt_shape: [4, 3]', '', r'kpt_shape None: expected \[K, 2\] or \[K, 3\]'),
        ('images/train', 'pictures', r'looked for images in .*pictures, which is neither'),
        ('names:', 'flip_idx: [0, 1]\nnames:', r'flip_idx \[0, 1\]: expected each number from 0 to 3 once'),
        ('names:', '- x', 'not a YAML file'),
    ):
        file.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=message):
            read(file)
