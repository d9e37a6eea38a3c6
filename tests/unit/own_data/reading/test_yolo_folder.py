import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import read


def test_yolo(tmp_path):
    annotations = read(makers.write_yolo(tmp_path, kpt_names={0: makers.NAMES}, flip_idx=[0, 2, 1, 3]))
    labels = annotations.labels
    assert annotations.category == 'mouse' and labels.names == makers.NAMES and labels.mirror == [0, 2, 1, 3]
    assert [photo.split for photo in annotations.photos] == ['train'] * 6 + ['val'] * 2
    for i, photo in enumerate(annotations.photos[:6]):
        np.testing.assert_allclose(photo.instances[0].keypoints, makers.keypoints(i), atol=1e-5)
        np.testing.assert_allclose(photo.instances[0].box, (2, 4, 34, 42), atol=1e-5)


def test_yolo_without_visibility_and_names(tmp_path):
    annotations = read(makers.write_yolo(tmp_path, shape=(4, 2)))
    assert annotations.labels.names == ['keypoint_0', 'keypoint_1', 'keypoint_2', 'keypoint_3']
    assert annotations.photos[2].instances[0].keypoints[:, 2].tolist() == [2, 0, 2, 2]


def test_bad_yolo_folders(tmp_path):
    makers.write_yolo(tmp_path)
    label, index, flip = 'labels/train/train0.txt', 'data.yaml', 'flip_idx: [0, 1]\nnames:'
    for name, old, new, message in (
        (label, '0.2375', '19', 'train0.txt, line 1: 19: expected values from 0 to 1, as fractions'),
        (label, ' 0.125', '', 'class, box, 4 keypoints of 3: expected 17 numbers, got 16'),
        (label, '0 0.2375', '3 0.2375', 'labels of class 3, which is not among names'),
        (index, 'kpt_shape: [4, 3]', '', r'kpt_shape None: expected \[K, 2\] or \[K, 3\]'),
        (index, 'images/train', 'pictures', 'looked for images in .*pictures, which is neither'),
        (index, 'names:', flip, r'flip_idx \[0, 1\]: expected each number from 0 to 3 once'),
        (index, 'names:', '- x', 'not a YAML file'),
    ):
        text = (tmp_path / name).read_text()
        assert text.count(old) == 1
        (tmp_path / name).write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=message):
            read(tmp_path)
        (tmp_path / name).write_text(text)
