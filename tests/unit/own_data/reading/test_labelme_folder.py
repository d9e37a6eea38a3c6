import json
import re

import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import read
from vitpose.own_data.checking.findings import find_repeated


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


def change(folder, numbers, function):
    """Call a function with the content of files of labelme."""
    for file in (folder / f'{i}.json' for i in numbers):
        content = json.loads(file.read_text())
        function(content)
        file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ('fields', 'reason'),
    [
        (dict(points=[]), "point 'nose' has 0 points"),
        (dict(points=[[1, 2, 3]]), 'cannot reshape'),
        (dict(points=[[10**400, 2]]), 'OverflowError'),
        (dict(label=['a']), "label ['a']"),
        (dict(group_id=[1]), 'group_id [1]'),
        (dict(shape_type=['point']), 'unhashable'),
    ],
)
def test_a_bad_shape_leaves_out_its_file_alone(tmp_path, fields, reason):
    change(makers.write_labelme(tmp_path), [3], lambda content: content['shapes'][1].update(fields))
    annotations = read(tmp_path)
    (line,) = annotations.unreadable
    assert line.startswith(f'{tmp_path / "3.json"}: expected shapes') and reason in line
    assert annotations.count == 2 * 11 and annotations.labels.names == makers.NAMES


@pytest.mark.parametrize('size', [dict(imageWidth=None, imageHeight=None), dict(imageHeight='60'), dict(imageWidth=-1)])
def test_sizes_are_numbers_or_unknown(tmp_path, size):
    change(makers.write_labelme(tmp_path), range(12), lambda content: content.update(size))
    known = (80, 60) if 'imageHeight' in size and size['imageHeight'] else None
    assert {photo.size for photo in read(tmp_path).photos} == {known}
    change(tmp_path, range(12), lambda content: [content.pop(key) for key in ('imageWidth', 'imageHeight')])
    assert {photo.size for photo in read(tmp_path).photos} == {None} and not read(tmp_path).unreadable


def test_labels_with_spaces_and_groups_as_text_are_the_same(tmp_path):
    change(
        makers.write_labelme(tmp_path), [0], lambda content: content['shapes'][1].update(label='nose ', group_id='1')
    )
    annotations = read(tmp_path)
    assert annotations.labels.names == makers.NAMES and annotations.count == 24 and len(annotations.notes) == 1
    change(tmp_path, [0], lambda content: content['shapes'][1].update(label='Nose'))
    annotations = read(tmp_path)
    assert len(annotations.labels.names) == 5
    assert any('differ only in case are different keypoints: Nose, nose' in note for note in annotations.notes)


def test_what_has_no_points_says_so(tmp_path):
    makers.write_labelme(tmp_path)
    change(tmp_path, range(12), lambda content: [shape.pop('shape_type') for shape in content['shapes']])
    assert read(tmp_path).count == 24  # a shape of one point is a point
    change(tmp_path, range(12), lambda content: [shape.update(shape_type='circle') for shape in content['shapes']])
    with pytest.raises(ValueError, match=r'expected shapes of type point, got \d+ of type circle$'):
        read(tmp_path)
    change(tmp_path, range(12), lambda content: content.pop('imagePath'))
    with pytest.raises(ValueError, match=r"of type point, got none; .*0.json: expected .*KeyError\('imagePath'"):
        read(tmp_path)


def test_single_files_and_folders_with_other_files_are_read(tmp_path):
    makers.write_labelme(tmp_path)
    for i in range(10):
        (tmp_path / f'.{i}.json').write_text('{"a": 1}')
    (tmp_path / '3.json').rename(tmp_path / '3.JSON')
    assert read(tmp_path).count == 24
    assert [photo.path for photo in read(tmp_path / '3.JSON').photos] == [tmp_path / '3.png']


def test_files_of_the_same_image_are_joined_so_that_repeated_labels_are_found(tmp_path):
    makers.write_labelme(tmp_path)
    for i, backup in ((0, 'same'), (1, 'resized')):
        (tmp_path / backup).mkdir()
        (tmp_path / backup / f'{i}.json').write_text((tmp_path / f'{i}.json').read_text())
    change(tmp_path / 'resized', [1], lambda content: content.update(imageWidth=40, imageHeight=30))
    annotations = read(tmp_path)
    assert [len(photo.instances) for photo in annotations.photos] == [4, *[2] * 11]
    assert len(find_repeated(annotations.photos[0].instances)) == 2
    assert '1 images are listed twice: their annotations are joined' in annotations.notes
    assert len(annotations.unreadable) == 2
    assert all('resized/1.json, group' in line and '80x60 and 40x30' in line for line in annotations.unreadable)


def test_an_image_beside_its_file_comes_before_one_of_the_same_name_elsewhere(tmp_path):
    makers.write_labelme(tmp_path)
    makers.write_labelme(tmp_path / 'b', count=1)
    for folder in (tmp_path, tmp_path / 'b'):
        change(folder, [0], lambda content: content.update(imagePath='0.png'))
    photos = [photo for photo in read(tmp_path).photos if photo.path.stem == '0']
    assert {photo.path for photo in photos} == {tmp_path / '0.png', tmp_path / 'b/0.png'}
    assert all(photo.name == str(photo.path) for photo in photos)  # its folder may be the video
