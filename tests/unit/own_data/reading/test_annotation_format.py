"""Each format gives the same keypoints, names and skeleton; files with errors are refused with where and why."""

import json

import numpy as np
import pytest

from tests.unit.own_data import makers
from vitpose.own_data.reading.annotation_format import read_annotations

LINKS = [(0, 1), (0, 2), (0, 3)]


def read(path, **options):
    (found,) = read_annotations(path, **options)
    return found


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


@pytest.mark.parametrize('levels', [1, 3])
def test_deeplabcut(tmp_path, levels):
    project = makers.write_deeplabcut(tmp_path)
    if levels == 1:  # older versions and Lightning Pose have the path in one column
        for file in project.glob('labeled-data/*/*.csv'):
            lines = file.read_text().splitlines()
            head = [line.replace(',,,', ',', 1) for line in lines[:3]]
            file.write_text('\n'.join([*head, *(line.replace(',', '/', 2) for line in lines[3:])]))
    found = read(project)
    assert found.labels.names == makers.NAMES and found.labels.links == LINKS[:2]
    assert [photo.video for photo in found.photos] == ['a'] * 6 + ['b'] * 6
    for i, photo in enumerate(found.photos[:6]):
        expected = makers.keypoints(i)
        expected[expected[:, 2] > 0, 2] = 2
        np.testing.assert_array_equal(photo.instances[0].keypoints, expected)
        assert photo.path.is_file() and photo.instances[0].box is None


def test_one_csv_of_lightning_pose(tmp_path):
    project = makers.write_deeplabcut(tmp_path, videos=('a',))
    file = project / 'labeled-data/a/CollectedData_me.csv'
    (project / 'CollectedData.csv').write_text(file.read_text())
    file.unlink()
    assert read(project / 'CollectedData.csv').count == 6


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


def test_bad_deeplabcut_projects(tmp_path):
    project = makers.write_deeplabcut(tmp_path)
    file = project / 'labeled-data/b/CollectedData_me.csv'
    text = file.read_text()
    for new, message in (
        (text.replace('tail', 'paw'), r"b/CollectedData_me.csv: bodyparts .*'paw'.* but .*a/Coll.* has .*'tail'"),
        (text.replace('bodyparts', 'individuals', 1), 'it annotates several animals|header rows'),
        ('nonsense', 'not a DeepLabCut table|header rows'),
    ):
        file.write_text(new)
        with pytest.raises(ValueError, match=message):
            read(project)


def test_h5_files_are_not_read(tmp_path):
    project = makers.write_deeplabcut(tmp_path)
    file = project / 'labeled-data/b/CollectedData_me.csv'
    alone = file.rename(file.with_suffix('.h5'))
    for path, message in (
        (project, r'labeled-data/b: a .h5 without the .csv .* can run code'),
        (alone, 'pass the .csv'),
    ):
        with pytest.raises(ValueError, match=message):
            read(path)


def test_unknown_formats(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file or folder; expected a COCO keypoint file'):
        read(tmp_path / 'nothing.json')
    (tmp_path / 'a.txt').touch()
    with pytest.raises(ValueError, match=r'a.txt: expected a COCO keypoint file or a folder of them, a YOLO'):
        read(tmp_path / 'a.txt')
    with pytest.raises(ValueError, match=r'expected COCO files'):
        read(tmp_path)
    path = makers.write_coco(tmp_path / 'here')
    (tmp_path / 'there').mkdir()
    with pytest.raises(
        ValueError, match=r'none of its 12 images exists; looked for .*there/frame 0.png, .*check --images'
    ):
        read(path, images=tmp_path / 'there')
    with pytest.raises(FileNotFoundError, match='--images .*nowhere: no such folder'):
        read(path, images=tmp_path / 'nowhere')
