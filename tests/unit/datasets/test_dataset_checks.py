"""Missing files, bad boxes and bad keypoints give a clear error or a logged count; none is skipped silently."""

import itertools
import json
import re

import pytest

from tests.unit.datasets.tiny_files import COCO_LIKE, NAMES, build, person, write, write_mpii

pytestmark = pytest.mark.usefixtures('mmpose_scope')
DROP = dict(drop_bad_boxes=True)
HAND = 'CocoWholeBodyHandDataset'


@pytest.mark.parametrize('name', NAMES)
def test_missing_annotation_file(name, tmp_path):
    path = re.escape(str(tmp_path / 'absent.json'))
    with pytest.raises(FileNotFoundError, match=f'{path} does not exist.*data_root=.*vitpose synth'):
        build(name, data_root=str(tmp_path), ann_file='absent.json')


def test_missing_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.json does not exist'):
        build('CocoDataset', bbox_file=str(tmp_path / 'none.json'), test_mode=True, **write(tmp_path, [person(1)]))
    with pytest.raises(FileNotFoundError, match=r'none\.mat does not exist'):
        build('MpiiDataset', headbox_file=str(tmp_path / 'none.mat'), test_mode=True, **write_mpii(tmp_path))


BAD_BOXES = {
    'no width': ((10, 8, 0, 30), r'\(10, 8, 0, 30\) has no area'),
    'negative height': ((10, 8, 20, -1), r'\(10, 8, 20, -1\) has no area'),
    'not a number': ((10, 8, float('nan'), 30), r'\(10, 8, nan, 30\) has no area'),
    'left of the image': ((-50, 8, 20, 30), r'\(-50, 8, 20, 30\) lies outside the 64 x 48 image'),
    'below the image': ((10, 60, 20, 30), r'\(10, 60, 20, 30\) lies outside'),
    'right of the image': ((64, 8, 20, 30), r'\(64, 8, 20, 30\) lies outside'),
    'above the image': ((10, -31, 20, 30), r'\(10, -31, 20, 30\) lies outside'),
}


def ids_of(dataset):
    return [dataset.get_data_info(i)['id'] for i in range(len(dataset))]


@pytest.mark.parametrize(
    ('name', 'fault'),
    [
        *(('CocoDataset', fault) for fault in BAD_BOXES),
        *((name, 'below the image') for name in COCO_LIKE[1:]),
        *((HAND, fault) for fault in ('no width', 'left of the image')),
    ],
)
@pytest.mark.parametrize('options', [{}, dict(test_mode=True, filter_cfg=DROP)], ids=['training', 'test'])
def test_bad_box(name, fault, options, tmp_path, logged):
    """It is skipped and counted in training, and on request in a test, where it is otherwise an error."""
    box, message = BAD_BOXES[fault]
    data = write(tmp_path, [person(11), person(12, box), person(13)])
    of_hand, of_person = (2, [0, 1, 4, 5], '2, 3', 'hand 2'), (1, [11, 13], 12, 'annotation 12')
    hands, kept, skipped, where = of_hand if name == HAND else of_person
    assert ids_of(build(name, **options, **data)) == kept
    assert logged().count('skipped') == 1 and f'skipped {hands} of {3 * hands} instances' in logged()
    assert logged().rstrip().endswith(f'ids {skipped}')
    with pytest.raises(ValueError, match=rf'{where} in image 1 .*{message}.*filter_cfg=dict\(drop_bad_boxes=True\)'):
        build(name, test_mode=True, **data)


def test_log_lists_the_first_bad_boxes(tmp_path, logged):
    # MMPose clips a person's box to the last pixel, which leaves it empty, but does not clip a hand's box
    bad = [person(100 + j, (10, 8, 0, 0)) for j in range(8)] + [person(108, (63.2, 8, 20, 30))]
    assert ids_of(build('CocoDataset', **write(tmp_path, [person(1), *bad]))) == [1]
    assert re.search(r'skipped 9 of 10 instances .*ids 100, 101, 102, 103, 104, \.\.\.$', logged().rstrip())


@pytest.mark.parametrize(
    ('name', 'people', 'kept'),
    [
        ('CocoDataset', [person(1), person(2, (-5, -5, 20, 20))], [1, 2]),
        (HAND, [person(1), person(2, (63.2, 8, 20, 30))], [0, 1, 2, 3]),
        *(  # MMPose drops these itself
            ('CocoDataset', [person(1), person(2, **dropped), person(3, (0, 0, 0, 0), **dropped)], [1])
            for dropped in (dict(iscrowd=1), dict(num_keypoints=0))
        ),
    ],
)
@pytest.mark.parametrize('test_mode', [False, True])
def test_good_boxes_are_kept_and_nothing_is_logged(name, people, kept, test_mode, tmp_path, logged):
    assert ids_of(build(name, test_mode=test_mode, **write(tmp_path, people))) == kept
    assert 'skipped' not in logged()


def test_bad_box_of_mpii(tmp_path, logged):
    """The file has no image sizes: only the area can be checked."""
    data = write_mpii(tmp_path, scale=0)
    records = json.loads((tmp_path / 'mpii.json').read_text())
    (tmp_path / 'mpii.json').write_text(json.dumps([records[0] | dict(scale=1), records[1]]))
    assert len(build('MpiiDataset', **data)) == 1
    assert 'skipped 1 of 2' in logged()
    with pytest.raises(ValueError, match='annotation 1 in image 1 .*has no area'):
        build('MpiiDataset', test_mode=True, **data)


def detections(folder, *boxes):
    records = [dict(image_id=1, category_id=1, bbox=list(box), score=0.5 / i) for i, box in enumerate(boxes, 1)]
    (folder / 'boxes.json').write_text(json.dumps(records))
    return dict(bbox_file=str(folder / 'boxes.json'), test_mode=True, **write(folder, [person(1)]))


@pytest.mark.parametrize('fault', BAD_BOXES)
def test_bad_detection(fault, tmp_path, logged):
    box = BAD_BOXES[fault][0]
    shown = re.escape(f'({box[0]}, {box[1]}, ')
    data = detections(tmp_path, (63.5, 8, 1, 1), box)
    with pytest.raises(ValueError, match=rf'boxes\.json: .*id 1 in image 1 has box .*{shown}.*drop_bad_boxes=True'):
        build('CocoDataset', **data)
    assert ids_of(build('CocoDataset', filter_cfg=DROP, **data)) == [0]
    assert re.search(r'skipped 1 of 2 instances of .*boxes\.json, .*: ids 1\n', logged())
    # below the threshold it is not used
    assert ids_of(build('CocoDataset', filter_cfg=dict(bbox_score_thr=0.3), **data)) == [0]


@pytest.mark.parametrize('change', [dict(image_id=999), dict(image_id='1'), dict(bbox=[1, 2, 3]), dict(score='high')])
def test_a_field_of_a_detection_that_mmpose_takes_for_granted(change, tmp_path):
    data = detections(tmp_path, (10, 8, 20, 30), (10, 8, 20, 30))
    rows = json.loads((file := tmp_path / 'boxes.json').read_text())
    file.write_text(json.dumps([rows[0], rows[1] | change]))
    message = rf'boxes\.json: detection 1: expected .* of .*annotations\.json, .* got .*{next(iter(change))}'
    with pytest.raises(ValueError, match=message):
        build('CocoDataset', **data)


@pytest.mark.parametrize(
    ('name', 'field', 'index', 'keypoint', 'value'),
    [
        *((name, 'keypoints', *bad) for name in COCO_LIKE for bad in ((0, 0, 'nan'), (7, 2, 'inf'))),
        *((HAND, 'righthand_kpts', *bad) for bad in ((0, 0, 'nan'), (7, 2, 'inf'))),
        ('CocoDataset', 'keypoints', 8, 2, 'nan'),  # visibility
        ('CocoWholeBodyDataset', 'face_kpts', 3, 24, 'nan'),
    ],
)
def test_keypoint_not_finite(name, field, index, keypoint, value, tmp_path):
    bad = person(12)
    bad[field][index] = float(value)
    with pytest.raises(ValueError, match=rf'annotation 12.*keypoint {keypoint} .*not finite.*{value}'):
        build(name, test_mode=value == 'inf', **write(tmp_path, [person(11), bad]))


def test_mpii_keypoint_not_finite(tmp_path):
    joints = [[9, 9]] * 5 + [[9, float('nan')]] + [[9, 9]] * 10
    with pytest.raises(ValueError, match=r'annotation 0 .*keypoint 5 is not finite.*\(9.0, nan'):
        build('MpiiDataset', **write_mpii(tmp_path, joints=joints))


def test_no_instance_or_detection_left(tmp_path):
    for people, test_mode in itertools.product(([], [person(1, iscrowd=1)]), (False, True)):
        with pytest.raises(ValueError, match=r'no instance is left of .*annotations\.json'):
            build('CocoDataset', test_mode=test_mode, **write(tmp_path, people))
    for box, options in (((10, 8, 0, 0), DROP), ((10, 8, 20, 30), dict(bbox_score_thr=0.9))):
        message = rf'no instance is left of .*boxes\.json \({re.escape(f"filter_cfg={options}")}'
        with pytest.raises(ValueError, match=message):
            build('CocoDataset', filter_cfg=options, **detections(tmp_path, box))


def test_other_missing_file_is_not_called_an_image(tmp_path):
    pipeline = [lambda results: open(tmp_path / 'mask.png')]
    with pytest.raises(FileNotFoundError, match=r'mask\.png') as caught:
        build('CocoDataset', pipeline=pipeline, **write(tmp_path, [person(1)]))[0]
    assert 'image' not in str(caught.value)


@pytest.mark.parametrize('name', ['CocoDataset', HAND])
def test_a_list_is_not_a_coco_file(name, tmp_path):
    data = write(tmp_path, [person(1)])
    (tmp_path / data['ann_file']).write_text(' [{"id": 1}]')
    with pytest.raises(ValueError, match=r'annotations\.json: expected a JSON object with images and annotations'):
        build(name, **data)


FIELDS = {
    'no id': (lambda images, rows: rows[1].pop('id'), r'annotations\[1\]: id: expected a unique integer, got nothing'),
    'an id twice': (lambda images, rows: rows[1].update(id=11), r'annotations\[0\]: id: .*, got 11'),
    'text as id': (
        lambda images, rows: images[0].update(id='a'),
        r"images\[0\]: id: expected a unique integer, got 'a'",
    ),
    'no width': (lambda images, rows: images[0].pop('width'), r'images\[0\]: width: expected a number above 0'),
    'keypoints': (lambda images, rows: rows[1]['keypoints'].pop(), r'annotations\[1\]: keypoints: expected 51 numbers'),
    'category': (lambda images, rows: rows[1].update(category_id=7), r'annotations\[1\]: category_id: .* got 7'),
    'box': (lambda images, rows: rows[1]['bbox'].append(1), r'annotations\[1\]: bbox: expected 4 numbers'),
}


@pytest.mark.parametrize('name', FIELDS)
def test_a_field_that_mmpose_takes_for_granted(name, tmp_path):
    edit, message = FIELDS[name]
    data = write(tmp_path, [person(11), person(12)])
    content = json.loads((file := tmp_path / data['ann_file']).read_text())
    edit(content['images'], content['annotations'])
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        build('CocoDataset', **data)
