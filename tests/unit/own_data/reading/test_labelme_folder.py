import json
import re

import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import read


def test_points_of_a_group_are_an_instance(tmp_path):
    annotations = read(makers.write_labelme(tmp_path))
    assert annotations.labels.names == makers.NAMES and annotations.category == 'mouse' and not annotations.unreadable
    for photo in annotations.photos:
        i = int(photo.path.stem)
        assert photo.path == tmp_path / f'{i}.png' and photo.size == (80, 60)
        first, second = photo.instances
        np.testing.assert_array_equal(first.keypoints, makers.keypoints(i))
        assert first.box == (2, 4, 34, 42) and second.box is None
        labeled = second.keypoints[:, 2] > 0
        np.testing.assert_array_equal(second.keypoints[labeled], (makers.keypoints(i) + (5, 0, 0))[labeled])


def test_bad_files_and_groups_are_left_out(tmp_path):
    makers.write_labelme(tmp_path)
    files = [tmp_path / f'{i}.json' for i in range(4)]
    contents = [json.loads(file.read_text()) for file in files[:3]]
    contents[0].pop('imagePath')
    contents[1]['shapes'][1]['points'] = [[1, 2, 3]]
    contents[2]['shapes'].append(contents[2]['shapes'][1])
    for file, content in zip(files, [*map(json.dumps, contents), 'nonsense'], strict=True):
        file.write_text(content)
    annotations = read(tmp_path)
    assert annotations.count == 24 - 2 * 3 - 1
    texts = ('0.json: expected shapes', '1.json: expected shapes', '3.json: not a JSON', '2.json, group 1: a label')
    assert all(text in line for text, line in zip(texts, annotations.unreadable, strict=True))
    assert re.search(r"expected shapes with .* KeyError\('imagePath'", annotations.unreadable[0])
    for file in tmp_path.glob('*.json'):
        file.write_text('{"shapes": [], "imagePath": "1.png", "imageWidth": 80, "imageHeight": 60}')
    with pytest.raises(ValueError, match='labels of points: expected a list of keypoint names'):
        read(tmp_path)
