"""COCO files: keypoints, categories, splits and images; files with errors are refused with where and why."""

import json

import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import LINKS, read
from vitpose.own_data.reading.annotation_format import read_annotations


def edited(tmp_path, edit):
    content = makers.coco()
    edit(content)
    return makers.write_coco(tmp_path, content)


def test_coco(tmp_path):
    found = read(makers.write_coco(tmp_path))
    assert found.category == 'mouse' and found.labels.names == makers.NAMES and found.labels.links == LINKS
    assert found.labels.mirror is None and found.count == len(found.photos) == 12
    for i, photo in enumerate(found.photos):
        assert photo.path == tmp_path / f'frame {i}.png' and photo.split is None
        np.testing.assert_array_equal(photo.instances[0].keypoints, makers.keypoints(i))
        assert photo.instances[0].box == (2, 4, 34, 42)


def test_splits_are_told_by_names(tmp_path):
    for split in ('train', 'valid'):
        makers.write_coco(tmp_path / split, file='_annotations.coco.json')
    found = read(tmp_path)
    assert [photo.split for photo in found.photos] == ['train'] * 12 + ['val'] * 12
    assert found.photos[12].path == tmp_path / 'valid/frame 0.png'


def test_images_are_looked_for_below_a_folder(tmp_path):
    for split in ('train', 'val'):
        file = makers.write_coco(tmp_path / 'pictures' / split)
        (tmp_path / 'annotations').mkdir(exist_ok=True)
        file.rename(tmp_path / f'annotations/{split}.json')
    found = read(tmp_path / 'annotations', images=tmp_path / 'pictures')
    assert found.photos[-1].path == tmp_path / 'pictures/val/frame 11.png'


def two_categories(content):
    content['categories'].append(dict(id=2, name='rat', keypoints=['head', 'end']))
    for row in content['annotations'][6:]:
        row.update(category_id=2, keypoints=row['keypoints'][:6])


def test_several_categories(tmp_path):
    path = edited(tmp_path, two_categories)
    with pytest.raises(ValueError, match=r"2 categories have keypoints: 'mouse', 'rat'. Choose one with --category"):
        read(path)
    assert read(path, category='rat').labels.names == ['head', 'end']
    found = read_annotations(path, category='each')
    assert [(each.category, each.count) for each in found] == [('mouse', 6), ('rat', 6)]
    with pytest.raises(ValueError, match=r"--category 'cat': the annotated categories are 'mouse', 'rat'"):
        read(path, category='cat')


def test_categories_with_the_same_keypoints_become_one(tmp_path):
    def same(content):
        content['categories'].append(dict(content['categories'][0], id=2, name='rat'))
        content['annotations'][3]['category_id'] = 2

    path = edited(tmp_path, same)
    found = read(path)
    assert found.count == 12 and any('become one: mouse, rat' in note for note in found.notes)
    assert read(path, category='rat').count == 1


def test_crowds_and_boxes_alone_are_left_out_with_a_note(tmp_path):
    def edit(content):
        content['annotations'][0]['iscrowd'] = 1
        del content['annotations'][1]['keypoints']

    found = read(edited(tmp_path, edit))
    assert found.count == 10 and {'1 annotations without keypoints left out', '1 crowds left out'} == {
        note.partition('json: ')[2] for note in found.notes if 'left out' in note
    }


def rows(content):
    return content['annotations']


BAD_COCO = {
    'boxes only': (lambda c: [row.pop('keypoints') for row in rows(c)], r'no annotation has keypoints \(it has bbox\)'),
    'length': (lambda c: rows(c)[5].update(keypoints=[1, 2, 2]), r'annotations\[5\]: keypoints: expected 12 .*, got 3'),
    'no number': (lambda c: rows(c)[5]['keypoints'].__setitem__(0, 'a'), r'annotations\[5\]: keypoints: expected 12'),
    'a name twice': (lambda c: c['categories'][0]['keypoints'].__setitem__(3, 'nose'), "name 'nose' occurs twice"),
    'a file twice': (lambda c: c['images'][1].update(file_name='frame 0.png'), r'images\[1\]: .* or id 2 occurs twice'),
    'a lost image': (lambda c: rows(c)[2].update(image_id=99), r'annotations\[2\]: image_id 99 is not among'),
    'a lost category': (lambda c: rows(c)[2].update(category_id=7), 'category 7, which is not in categories'),
    'skeleton': (lambda c: c['categories'][0].update(skeleton=[[1, 9]]), r'\[1, 9\]: expected keypoints from 1 to 4'),
    'no list': (lambda c: c.pop('images'), 'expected a COCO keypoint file, an object with lists of images'),
    'no object': (lambda c: c['images'].__setitem__(0, 5), r'images\[0\]: expected an object, got 5'),
    'unlabelled': (lambda c: [row.update(iscrowd=1) for row in rows(c)], "no 'mouse' has a labeled keypoint"),
}


@pytest.mark.parametrize('name', BAD_COCO)
def test_bad_coco_files(name, tmp_path):
    edit, message = BAD_COCO[name]
    path = makers.write_coco(tmp_path)
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read(path)
