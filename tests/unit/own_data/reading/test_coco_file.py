"""COCO files: categories, splits and images; files with errors are refused with where and why.

`tests/unit/cli/test_dataset.py` compares keypoints, boxes, names and links.
"""

import json
import os
from functools import reduce
from operator import getitem

import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import read
from vitpose.own_data.reading.annotation_format import read_annotations


def test_splits_are_told_by_names_and_images_are_looked_for_below_a_folder(tmp_path):
    (tmp_path / 'annotations').mkdir()
    for split in ('train', 'valid'):
        file = makers.write_coco(tmp_path / 'pictures' / split, file='_annotations.coco.json')
        (tmp_path / f'annotations/{split}.json').write_text(file.read_text())
    pictures = tmp_path / 'pictures'
    for photos in (read(pictures).photos, read(tmp_path / 'annotations', images=pictures).photos):
        assert [photo.split for photo in photos] == ['train'] * 12 + ['val'] * 12
        assert photos[12].path == tmp_path / 'pictures/valid/frame 0.png'


@pytest.mark.parametrize('names', [('Train', 'Validation'), ('train2017', 'val2017'), ('train', 'valid')])
def test_images_of_a_split_are_in_its_folder(tmp_path, names):
    """Those of the other split have the same names."""
    (tmp_path / 'annotations').mkdir()
    for name in names:
        file = makers.write_coco(tmp_path / 'images' / name)
        file.rename(tmp_path / f'annotations/person_keypoints_{name}.json')
    for images in (None, tmp_path / 'images'):
        annotations = read(tmp_path, images=images)
        assert [photo.path.parent.name for photo in annotations.photos] == [names[0]] * 12 + [names[1]] * 12
        assert annotations.count == 24 and not annotations.unreadable


def test_several_categories(tmp_path):
    content = makers.coco()
    content['categories'].append(dict(id=2, name='rat', keypoints=['head', 'end']))
    for row in content['annotations'][6:]:
        row.update(category_id=2, keypoints=row['keypoints'][:6])
    path = makers.write_coco(tmp_path, content)
    with pytest.raises(ValueError, match=r"2 categories have keypoints: 'mouse', 'rat'. Choose one with --category"):
        read(path)
    with pytest.raises(ValueError, match=r"--category 'cat': the annotated categories are 'mouse', 'rat'"):
        read(path, category='cat')
    assert read(path, category='rat').labels.names == ['head', 'end']
    datasets = read_annotations(path, category='each')
    assert [(annotations.category, annotations.count) for annotations in datasets] == [('mouse', 6), ('rat', 6)]


def test_categories_with_the_same_keypoints_become_one_and_those_without_names_are_numbered(tmp_path):
    content = makers.coco()
    content['categories'].append(dict(content['categories'][0], id=2, name='rat'))
    content['annotations'][3]['category_id'] = 2
    path = makers.write_coco(tmp_path, content)
    annotations = read(path)
    assert annotations.count == 12 and any('become one: mouse, rat' in note for note in annotations.notes)
    assert read(path, category='rat').count == 1
    del content['categories'][0]['keypoints']
    path.write_text(json.dumps(content))
    annotations = read(path, category='mouse')
    assert annotations.labels.names == [f'keypoint_{i}' for i in range(4)] and annotations.count == 11
    assert "the category 'mouse' has no keypoint names: they are numbered" in annotations.notes
    del content['categories'][1]['keypoints']  # perhaps not the same ones
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='2 categories have keypoints'):
        read(path)


def test_crowds_and_boxes_alone_are_left_out_with_a_note(tmp_path):
    content = makers.coco()
    content['annotations'][0]['iscrowd'] = 1
    del content['annotations'][1]['keypoints']
    annotations = read(makers.write_coco(tmp_path, content))
    notes = {note.partition('json: ')[2] for note in annotations.notes if 'left out' in note}
    assert annotations.count == 10 and notes == {'1 annotations without keypoints left out', '1 crowds left out'}


def rows(content):
    return content['annotations']


BAD_COCO = {
    'boxes only': (lambda c: [row.pop('keypoints') for row in rows(c)], r'no annotation has keypoints \(it has bbox\)'),
    'a name twice': (lambda c: c['categories'][0]['keypoints'].__setitem__(3, 'nose'), "name 'nose' occurs twice"),
    'no list': (lambda c: c.pop('images'), 'expected a COCO keypoint file, an object with lists of images'),
    'unlabeled': (lambda c: [row.update(iscrowd=1) for row in rows(c)], "no 'mouse' has a labeled keypoint"),
    'most rows': (
        lambda c: [row.update(keypoints=[1, 2, 2]) for row in rows(c)[:7]],
        r'7 rows cannot be read, and 5 instances can: .*annotations\[0\]: keypoints: expected 12 numbers',
    ),
}
BAD_ROWS = [  # the place of a value, what is put there, instances left, and why the others are left out
    ('annotations 5 keypoints', [1, 2, 2], 11, 'annotations[5]: keypoints: expected 12 numbers, got'),
    ('annotations 5 keypoints 0', 'a', 11, 'annotations[5]: keypoints: expected 12'),
    ('annotations 5 bbox', [1, 2], 11, 'annotations[5]: bbox: expected 4 numbers, got 2: [1.0, 2.0]'),
    ('images 1 id', 1, 10, 'images[1]: id 1 occurs twice'),
    ('annotations 2 image_id', 99, 11, 'annotations[2]: image_id: expected the id of an image'),
    ('annotations 2 category_id', 7, 11, 'category_id: expected the id of a category, got 7'),
    ('annotations 0', 5, 11, 'annotations[0]: expected an object, got 5'),
    ('annotations 1 keypoints 0', 10**400, 11, 'annotations[1]: keypoints: expected 12 numbers, got'),
    ('images 0', dict(id=1, width=80, height=60), 11, 'images[0]: expected id and file_name'),
]


@pytest.mark.parametrize(('place', 'value', 'count', 'message'), BAD_ROWS)
def test_a_bad_row_is_left_out_and_named(place, value, count, message, tmp_path):
    content = makers.coco()
    path = makers.write_coco(tmp_path, content)
    *keys, last = (int(key) if key.isdecimal() else key for key in place.split())
    reduce(getitem, keys, content)[last] = value
    path.write_text(json.dumps(content))
    annotations = read(path)
    assert annotations.count == count and message in annotations.unreadable[0], annotations.unreadable


@pytest.mark.parametrize('name', ['a' * 400 + '.jpg', 'http://[abc/x.png', 'a\0b.png'])
def test_a_name_that_no_file_can_have_is_a_missing_image(tmp_path, name):
    content = makers.coco()
    path = makers.write_coco(tmp_path, content)
    content['images'][3]['file_name'] = name
    path.write_text(json.dumps(content))
    (annotations,) = read_annotations(path)
    assert [os.path.exists(photo.path) for photo in annotations.photos] == [i != 3 for i in range(12)]


def test_boxes_that_stand_for_none_are_missing(tmp_path):
    content = makers.coco()
    boxes = [0, 0, 0, 0], [None] * 4, [-1] * 4, [], None, [float('nan')] * 4, [5, 6, 0, 0]
    for row, box in zip(rows(content), boxes, strict=False):
        row['bbox'] = box
    photos = read(makers.write_coco(tmp_path, content)).photos
    assert [photo.instances[0].box is None for photo in photos] == [True] * 6 + [False] * 6


@pytest.mark.parametrize(('value', 'count'), [('0', 12), ('false', 12), (None, 12), ('1', 11), (1.0, 11), (True, 11)])
def test_crowds_are_recognized_as_text(tmp_path, value, count):
    content = makers.coco()
    rows(content)[0]['iscrowd'] = value
    assert read(makers.write_coco(tmp_path, content)).count == count


def test_a_file_without_categories_has_numbered_keypoints(tmp_path):
    content = makers.coco() | dict(categories=[])
    annotations = read(makers.write_coco(tmp_path, content))
    assert annotations.count == 12 and annotations.labels.names == [f'keypoint_{i}' for i in range(4)]


def test_annotations_without_a_category_are_of_the_only_one(tmp_path):
    content = makers.coco()
    rows(content)[0]['category_id'] = None
    for row in rows(content)[1:]:
        del row['category_id']
    path = makers.write_coco(tmp_path, content)
    annotations = read(path)
    assert (annotations.count, annotations.category, annotations.labels.names) == (12, 'mouse', makers.NAMES)
    assert any("category_id: all are taken to be of the only category, 'mouse'" in note for note in annotations.notes)
    assert read(path, category='each').count == 12
    content['categories'].append(dict(id=2, name='rat'))
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="has a category_id: expected the id of a category: 'mouse', 'rat'"):
        read(path)
    content['categories'].clear()
    path.write_text(json.dumps(content))
    assert read(path).count == 12


def test_merged_files_may_have_a_category_twice(tmp_path):
    content = makers.coco()
    content['categories'] += [dict(content['categories'][0], id=2), dict(id=[3], name='x')]
    rows(content)[3]['category_id'] = 2
    assert read(makers.write_coco(tmp_path, content)).count == 12
    content['categories'][1]['keypoints'] = ['a', 'b', 'c', 'd']
    with pytest.raises(ValueError, match="category name 'mouse' occurs twice, with other keypoints"):
        read(makers.write_coco(tmp_path, content))


def test_images_of_cvat_are_beside_the_folder_annotations(tmp_path):
    makers.write_coco(tmp_path / 'images/default', content := makers.coco())
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'annotations/person_keypoints_default.json').write_text(json.dumps(content))
    (annotations,) = read_annotations(tmp_path / 'annotations/person_keypoints_default.json')
    assert all(photo.path.is_file() for photo in annotations.photos)


def test_sizes_may_be_text(tmp_path):
    content = makers.coco()
    for image, width in zip(content['images'], ('80', '160', 'x', None, float('nan'), 0), strict=False):
        image['width'] = width
    sizes = [photo.size for photo in read(makers.write_coco(tmp_path, content)).photos]
    assert sizes[:7] == [(80, 60), (160, 60), None, None, None, None, (80, 60)]


def test_other_ways_to_write_the_same(tmp_path):
    """Nested keypoints, ids as text, a skeleton counted from 0, an image listed twice, a byte order mark."""
    content = makers.coco()
    path = makers.write_coco(tmp_path, content)
    expected = read(path)
    for row in rows(content):
        points = [value or None for value in row['keypoints']]
        row.update(image_id=str(row['image_id']), category_id='1')
        row['keypoints'] = [points[i : i + 3] for i in range(0, 12, 3)]
    content['categories'][0]['skeleton'] = [[0, 1], [0, 2], [0, 3], [0, 9]]
    content['images'].append(dict(content['images'][0], id=99))
    rows(content)[-1]['image_id'] = 99
    path.write_text(json.dumps(content), encoding='utf-8-sig')
    annotations = read(path)
    assert annotations.labels == expected.labels and not annotations.unreadable
    assert [len(photo.instances) for photo in annotations.photos] == [2, *[1] * 10, 0]
    for note in ('1 images are listed twice', 'counts keypoints from 0', '1 links of the skeleton are left out'):
        assert any(note in line for line in annotations.notes)
    ours, theirs = (data.photos[0].instances[0] for data in (annotations, expected))
    assert ours.keypoints.tolist() == theirs.keypoints.tolist() and ours.box == theirs.box


def test_an_annotation_without_image_does_not_change_the_images_of_others(tmp_path):
    """Names such as 0.png of the image with id 1 would also fit the image ids, all but one."""
    content = makers.coco(name='{}.png')
    path = makers.write_coco(tmp_path, content)
    rows(content).pop()
    rows(content)[0]['image_id'] = 0
    path.write_text(json.dumps(content))
    annotations = read(path)
    assert [photo.path.stem for photo in annotations.photos if photo.instances] == [*map(str, range(1, 11))]
    assert 'annotations[0]: image_id: expected the id of an image, got 0' in annotations.unreadable[0]
    for row in rows(content):
        row['image_id'] = f'{row["image_id"]}.png'  # a name, as some tools write it
    path.write_text(json.dumps(content))
    assert read(path).count == 11


def test_labels_for_another_size_of_an_image_that_is_listed_twice_are_left_out(tmp_path):
    content = makers.coco()
    path = makers.write_coco(tmp_path, content)
    content['images'].append(dict(content['images'][0], id=99, width=160, height=120))
    rows(content).append(
        dict(rows(content)[0], id=99, image_id=99, keypoints=[2 * v for v in rows(content)[0]['bbox'] * 3])
    )
    path.write_text(json.dumps(content))
    annotations = read(path)
    assert annotations.count == 12 and len(annotations.photos) == 12
    assert (
        'annotations[12]: ' in annotations.unreadable[0]
        and 'in two sizes, 80x60 and 160x120' in annotations.unreadable[0]
    )


def test_categories_of_one_point_each_are_joined(tmp_path):
    content = makers.coco()
    ids = {name: 10 + i for i, name in enumerate(makers.NAMES)}
    content['categories'] = [dict(id=number, name=name) for name, number in ids.items()]
    content['annotations'] = [
        dict(id=9, image_id=row['image_id'], category_id=10 + i, bbox=[x, y, 0, 0], keypoints=[x, y, v])
        for row in rows(content)
        for i, (x, y, v) in enumerate(np.reshape(row['keypoints'], (4, 3)).tolist())
        if v
    ]
    path = makers.write_coco(tmp_path, content)
    annotations = read(path)
    assert annotations.labels.names == makers.NAMES and annotations.count == 12
    for i, photo in enumerate(annotations.photos):
        assert photo.instances[0].keypoints.tolist() == makers.keypoints(i).tolist() and photo.instances[0].box is None
    places = [photo.instances[0].where.rpartition(': ')[2] for photo in annotations.photos]  # of the first points
    assert places[:4] == [f'annotations[{i}]' for i in (0, 4, 8, 11)]
    assert read(path, category='tail').count == 12
    rows(content)[:] = [*rows(content), dict(rows(content)[0]), dict(rows(content)[0], category_id=99), dict(id=1)]
    rows(content).append(dict(rows(content)[0], image_id=12, keypoints=[1, 2]))
    path.write_text(json.dumps(content))
    annotations = read(path)
    assert annotations.count == 11 and len(annotations.unreadable) == 3
    assert "image 1 has several points of category 'nose'" in annotations.unreadable[2]
    assert 'expected a category and 3 numbers, got 99' in annotations.unreadable[0]
    rows(content).extend([dict(row) for row in rows(content)[:-4]])
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="has several points of category '.*': .* are points, not skeletons"):
        read(path)


def test_a_name_that_fits_several_files_or_a_file_that_fits_several_names_is_left_out(tmp_path):
    content = makers.coco()
    path = makers.write_coco(tmp_path, content)
    for folder in 'ab':
        makers.write_image(tmp_path / folder / 'same.png')
    names = ['D:\\x\\same.png', 'D:\\x\\a\\same.png', 'x/frame 2.png', 'y/frame 2.png', 'nowhere.png']
    for image, name in zip(content['images'], names, strict=False):
        image['file_name'] = name
    path.write_text(json.dumps(content))
    annotations = read(path)
    assert len(annotations.unreadable) == 2 and annotations.count == 9
    assert 'is ambiguous: ' in annotations.unreadable[0] and 'would both be' in annotations.unreadable[1]
    assert annotations.photos[0].path == tmp_path / 'a/same.png' and not annotations.photos[1].path.exists()


@pytest.mark.parametrize('name', BAD_COCO)
def test_bad_coco_files(name, tmp_path):
    edit, message = BAD_COCO[name]
    content = makers.coco()
    path = makers.write_coco(tmp_path, content)
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read(path)
