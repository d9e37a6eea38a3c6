"""Missing files, bad boxes and bad keypoints give a clear error or a logged count; none is skipped silently."""

import json
import re

import pytest
from mmengine.logging import MMLogger

from tests.unit.datasets.tiny_files import COCO_LIKE, NAMES, PIPELINE, build, person, write, write_mpii

pytestmark = pytest.mark.usefixtures('mmpose_scope')


@pytest.mark.parametrize('name', NAMES)
def test_missing_annotation_file(name, tmp_path):
    path = re.escape(str(tmp_path / 'absent.json'))
    with pytest.raises(FileNotFoundError, match=f'{path} does not exist.*data_root=.*vitpose synth'):
        build(name, data_root=str(tmp_path), ann_file='absent.json')


def test_missing_other_files(tmp_path):
    data = write(tmp_path, [person(1)])
    with pytest.raises(FileNotFoundError, match=r'no_boxes\.json does not exist'):
        build('CocoDataset', bbox_file=str(tmp_path / 'no_boxes.json'), test_mode=True, **data)
    with pytest.raises(FileNotFoundError, match=r'no_heads\.mat does not exist'):
        heads = str(tmp_path / 'no_heads.mat')
        build('MpiiDataset', headbox_file=heads, test_mode=True, **write_mpii(tmp_path))


BAD_BOXES = {
    'no width': ((10, 8, 0, 30), r'\(10, 8, 0, 30\) has no area'),
    'negative height': ((10, 8, 20, -1), r'\(10, 8, 20, -1\) has no area'),
    'not a number': ((10, 8, float('nan'), 30), r'\(10, 8, nan, 30\) has no area'),
    'left of the image': ((-50, 8, 20, 30), r'\(-50, 8, 20, 30\) lies outside the 64 x 48 image'),
    'below the image': ((10, 60, 20, 30), r'\(10, 60, 20, 30\) lies outside'),
    'right of the image': ((64, 8, 20, 30), r'\(64, 8, 20, 30\) lies outside'),
    'above the image': ((10, -31, 20, 30), r'\(10, -31, 20, 30\) lies outside'),
}


def log_of(tmp_path, name='run'):
    """Create a log file for MMEngine's current logger, which writes each warning once."""
    path = tmp_path / f'{name}.log'
    MMLogger.get_instance(f'checked-{tmp_path.name}-{name}', log_file=str(path))
    return path


@pytest.mark.parametrize(
    ('name', 'fault'),
    [
        *(('CocoDataset', fault) for fault in BAD_BOXES),
        *((name, 'below the image') for name in COCO_LIKE[1:]),
        *(('CocoWholeBodyHandDataset', fault) for fault in ('no width', 'left of the image')),
    ],
)
def test_bad_box(name, fault, tmp_path):
    box, message = BAD_BOXES[fault]
    data = write(tmp_path, [person(11), person(12, box), person(13)])
    hands = 2 if 'Hand' in name else 1
    log = log_of(tmp_path)
    dataset = build(name, **data)
    assert len(dataset) == 2 * hands
    total, skipped = 3 * hands, hands
    ids = '2, 3' if hands == 2 else '12'
    assert log.read_text().count('skipped') == 1
    assert f'skipped {skipped} of {total} instances' in log.read_text()
    assert log.read_text().rstrip().endswith(f'ids {ids}')
    where = 'hand 2' if hands == 2 else 'annotation 12'
    with pytest.raises(ValueError, match=rf'{where} in image 1 .*{message}.*filter_cfg=dict\(drop_bad_boxes=True\)'):
        build(name, test_mode=True, **data)
    log = log_of(tmp_path, 'test')
    dropped = build(name, test_mode=True, filter_cfg=dict(drop_bad_boxes=True), **data)
    assert [info['id'] for info in map(dropped.get_data_info, range(len(dropped)))] == [
        info['id'] for info in map(dataset.get_data_info, range(len(dataset)))
    ]
    assert f'skipped {skipped} of {total} instances' in log.read_text()


def test_box_on_the_last_pixel(tmp_path):
    """MMPose clips a person's box to the last pixel, which leaves it empty, but does not clip a hand's box."""
    data = write(tmp_path, [person(1), person(2, (63.2, 8, 20, 30))])
    log = log_of(tmp_path)
    assert len(build('CocoDataset', **data)) == 1
    assert 'skipped 1 of 2 instances' in log.read_text()
    assert len(build('CocoWholeBodyHandDataset', test_mode=True, **data)) == 4


def test_log_lists_the_first_ids(tmp_path):
    log = log_of(tmp_path)
    bad = [person(100 + j, (10, 8, 0, 0)) for j in range(8)]
    build('CocoDataset', **write(tmp_path, [person(1), *bad]))
    assert 'skipped 8 of 9 instances' in log.read_text()
    assert log.read_text().rstrip().endswith('ids 100, 101, 102, 103, 104, ...')


def test_good_data_log_nothing(tmp_path):
    log = log_of(tmp_path)
    build('CocoDataset', **write(tmp_path, [person(1), person(2, (-5, -5, 20, 20))]))
    assert 'skipped' not in log.read_text()


def test_bad_box_of_mpii(tmp_path):
    """The file has no image sizes: only the area can be checked."""
    record = dict(image='001.jpg', joints=[[9, 9]] * 16, joints_vis=[1] * 16, center=[30, 20])
    (tmp_path / 'm.json').write_text(json.dumps([record | dict(scale=s) for s in (1, 0)]))
    data = dict(data_root=str(tmp_path), ann_file='m.json')
    log = log_of(tmp_path)
    assert len(build('MpiiDataset', **data)) == 1
    assert 'skipped 1 of 2' in log.read_text()
    with pytest.raises(ValueError, match='annotation 1 in image 1 .*has no area'):
        build('MpiiDataset', test_mode=True, **data)


@pytest.mark.parametrize('changes', [dict(iscrowd=1), dict(num_keypoints=0)])
def test_instances_that_mmpose_drops_are_not_reported(changes, tmp_path):
    data = write(tmp_path, [person(1), person(2, **changes), person(3, (0, 0, 0, 0), **changes)])
    log = log_of(tmp_path)
    for test_mode in (False, True):
        assert len(build('CocoDataset', test_mode=test_mode, **data)) == 1
    assert 'skipped' not in log.read_text()


def detections(folder, *boxes):
    path = folder / 'boxes.json'
    records = [dict(image_id=1, category_id=1, bbox=list(box), score=0.5) for box in boxes]
    path.write_text(json.dumps(records))
    return dict(bbox_file=str(path), test_mode=True, **write(folder, [person(1)]))


@pytest.mark.parametrize('fault', BAD_BOXES)
def test_bad_detection(fault, tmp_path):
    box = BAD_BOXES[fault][0]
    shown = re.escape(f'({box[0]}, {box[1]}, ')
    data = detections(tmp_path, (63.5, 8, 1, 1), box)
    with pytest.raises(ValueError, match=rf'boxes\.json: .*id 1 in image 1 has box .*{shown}.*drop_bad_boxes=True'):
        build('CocoDataset', **data)
    log = log_of(tmp_path)
    dataset = build('CocoDataset', filter_cfg=dict(drop_bad_boxes=True), **data)
    assert [info['id'] for info in map(dataset.get_data_info, range(len(dataset)))] == [0]
    assert re.search(r'skipped 1 of 2 instances of .*boxes\.json, .*: ids 1\n', log.read_text())


def test_only_bad_detections(tmp_path):
    with pytest.raises(ValueError, match=r'no instance is left of .*boxes\.json'):
        build('CocoDataset', filter_cfg=dict(drop_bad_boxes=True), **detections(tmp_path, (10, 8, 0, 0)))


def test_bad_detection_below_the_threshold_is_not_used(tmp_path):
    data = detections(tmp_path, (10, 8, 20, 30), (10, 8, 0, 0))
    records = json.loads((tmp_path / 'boxes.json').read_text())
    records[1]['score'] = 0.1
    (tmp_path / 'boxes.json').write_text(json.dumps(records))
    assert len(build('CocoDataset', filter_cfg=dict(bbox_score_thr=0.2), **data)) == 1


@pytest.mark.parametrize('name', [*COCO_LIKE, 'CocoWholeBodyHandDataset'])
@pytest.mark.parametrize(('test_mode', 'index', 'value'), [(False, 0, float('nan')), (True, 7, float('inf'))])
def test_keypoint_not_finite(name, test_mode, index, value, tmp_path):
    bad = person(12)
    field = 'righthand_kpts' if 'Hand' in name else 'keypoints'
    bad[field][index] = value
    message = rf'annotation 12.*keypoint {index // 3} .*not finite.*{value}'
    with pytest.raises(ValueError, match=message):
        build(name, test_mode=test_mode, **write(tmp_path, [person(11), bad]))


def test_visibility_not_finite(tmp_path):
    bad = person(12)
    bad['keypoints'][8] = float('nan')
    with pytest.raises(ValueError, match=r'annotation 12 .*keypoint 2 is not finite.*nan\)'):
        build('CocoDataset', **write(tmp_path, [bad]))


def test_face_keypoint_not_finite(tmp_path):
    bad = person(12)
    bad['face_kpts'][3] = float('nan')
    with pytest.raises(ValueError, match='annotation 12 .*keypoint 24 is not finite'):
        build('CocoWholeBodyDataset', **write(tmp_path, [bad]))


def test_mpii_keypoint_not_finite(tmp_path):
    joints = [[9, 9]] * 5 + [[9, float('nan')]] + [[9, 9]] * 10
    with pytest.raises(ValueError, match=r'annotation 0 .*keypoint 5 is not finite.*\(9.0, nan'):
        build('MpiiDataset', **write_mpii(tmp_path, joints=joints))


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize('annotations', [[], [person(1, iscrowd=1)]])
def test_no_instance_left(annotations, test_mode, tmp_path):
    with pytest.raises(ValueError, match=r'no instance is left of .*annotations\.json'):
        build('CocoDataset', test_mode=test_mode, **write(tmp_path, annotations))


def test_threshold_above_every_score(tmp_path):
    data = detections(tmp_path, (10, 8, 20, 30))
    with pytest.raises(ValueError, match=r"boxes\.json \(filter_cfg={'bbox_score_thr': 0.9}\)"):
        build('CocoDataset', filter_cfg=dict(bbox_score_thr=0.9), **data)


@pytest.mark.parametrize('test_mode', [False, True])
def test_missing_image(test_mode, tmp_path):
    dataset = build('CocoDataset', pipeline=PIPELINE, test_mode=test_mode, **write(tmp_path, [person(1)]))
    (tmp_path / 'one.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'one\.jpg of .*annotations\.json is missing'):
        dataset[0]


def test_other_missing_file_is_not_called_an_image(tmp_path):
    def open_mask(results):
        return open(tmp_path / 'mask.png')

    dataset = build('CocoDataset', pipeline=[open_mask], **write(tmp_path, [person(1)]))
    with pytest.raises(FileNotFoundError, match=r'mask\.png') as caught:
        dataset[0]
    assert 'image' not in str(caught.value)
