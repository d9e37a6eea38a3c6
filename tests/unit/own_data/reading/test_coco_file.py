"""COCO files: categories, splits and images; files with errors are refused with where and why.

`tests/unit/cli/test_dataset.py` compares keypoints, boxes, names and links.
"""

import json

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
    content = makers.coco()
    path = makers.write_coco(tmp_path, content)
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read(path)
