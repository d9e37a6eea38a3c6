"""Bad annotations, boxes, keypoints and images give a clear error or a logged count; none is skipped silently."""

import json
import re

import cv2
import mmpose.datasets
import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS
from PIL import Image

import vitpose_mm  # noqa: F401, registers

WIDTH, HEIGHT, K = 64, 48, 17
NAMES = (
    'CocoDataset',
    'AicDataset',
    'MpiiDataset',
    'CrowdPoseDataset',
    'OCHumanDataset',
    'AP10KDataset',
    'CocoWholeBodyDataset',
    'HumanArtDataset',
    'CocoWholeBodyHandDataset',
)
COCO_LIKE = [name for name in NAMES if name not in ('MpiiDataset', 'CocoWholeBodyHandDataset')]


@pytest.fixture(autouse=True)
def mmpose_scope():
    """Same as ``default_scope = 'mmpose'`` in a config."""
    with DefaultScope.overwrite_default_scope('mmpose'):
        yield


def person(ann_id, box=(10, 8, 20, 30), **changes):
    """One COCO-WholeBody annotation, which every COCO-like class reads."""

    def points(count):
        return [value for k in range(count) for value in (12 + k % 10, 10 + k % 20, 2)]

    sides = {f'{side}hand_kpts': points(21) for side in ('left', 'right')}
    sides |= {f'{side}hand_box': list(box) for side in ('left', 'right')}
    sides |= {f'{side}hand_valid': True for side in ('left', 'right')}
    annotation = dict(id=ann_id, image_id=1, category_id=1, bbox=list(box), area=300, iscrowd=0)
    annotation |= dict(num_keypoints=K, keypoints=points(K), segmentation=[], **sides)
    return annotation | dict(foot_kpts=points(6), face_kpts=points(68)) | changes


def write(folder, annotations, name='annotations.json'):
    """Write a COCO file and its one image; return the dataset's arguments."""
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / 'one.jpg'), np.full((HEIGHT, WIDTH, 3), 99, np.uint8))
    content = dict(
        images=[dict(id=1, file_name='one.jpg', width=WIDTH, height=HEIGHT)],
        annotations=annotations,
        categories=[dict(id=1, name='person')],
    )
    (folder / name).write_text(json.dumps(content))
    return dict(data_root=str(folder), ann_file=name, data_prefix=dict(img=''))


def write_mpii(folder, **changes):
    record = dict(image='001.jpg', center=[30, 20], scale=0.2, joints=[[9, 9]] * 16)
    record |= dict(joints_vis=[1] * 16) | changes
    (folder / 'mpii.json').write_text(json.dumps([record, record | dict(center=[31, 20])]))
    return dict(data_root=str(folder), ann_file='mpii.json', data_prefix=dict(img=''))


def build(name, **kwargs):
    return DATASETS.build(dict(type=f'Checked{name}', **kwargs))


@pytest.mark.parametrize('name', NAMES)
def test_good_data_is_read_as_by_mmpose(name, tmp_path):
    data = write_mpii(tmp_path) if name == 'MpiiDataset' else write(tmp_path, [person(1), person(2)])
    for test_mode in (False, True):
        ours = build(name, test_mode=test_mode, **data)
        theirs = getattr(mmpose.datasets, name)(test_mode=test_mode, **data)
        assert len(ours) == len(theirs) > 0
        np.testing.assert_equal(ours.get_data_info(0), theirs.get_data_info(0))
        np.testing.assert_equal(ours.metainfo, theirs.metainfo)


@pytest.mark.parametrize(
    ('name', 'folder', 'file'),
    [
        ('CocoDataset', 'coco', 'test_coco.json'),
        ('CocoWholeBodyDataset', 'coco', 'test_coco_wholebody.json'),
        ('CocoWholeBodyHandDataset', 'coco', 'test_coco_wholebody.json'),
        ('AicDataset', 'aic', 'test_aic.json'),
        ('MpiiDataset', 'mpii', 'test_mpii.json'),
        ('AP10KDataset', 'ap10k', 'test_ap10k.json'),
    ],
)
def test_real_data_is_read_as_by_mmpose(name, folder, file, photographs):
    data = dict(data_root=str(photographs / folder), ann_file=file, test_mode=True)
    ours, theirs = build(name, **data), getattr(mmpose.datasets, name)(**data)
    assert len(ours) == len(theirs) > 0
    for index in range(len(ours)):
        np.testing.assert_equal(ours.get_data_info(index), theirs.get_data_info(index))


def test_real_detections_are_accepted(photographs):
    data = dict(data_root=str(photographs / 'coco'), ann_file='test_coco.json', test_mode=True)
    boxes = str(photographs / 'coco' / 'test_coco_det_AP_H_56.json')
    assert len(build('CocoDataset', bbox_file=boxes, **data)) == 118


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


@pytest.mark.parametrize('name', ['CocoDataset', 'MpiiDataset'])
@pytest.mark.parametrize(
    ('cut', 'message'),
    [
        (lambda text: '', 'is empty'),
        (lambda text: ' \n', 'is empty'),
        (lambda text: text[:-9], r'truncated.* at line 1, column \d+, position \d+ of \d+ bytes'),
        (lambda text: text[: len(text) // 2], r'truncated.* position \d+'),
        (lambda text: '<html>not found', "not JSON: it starts with b'<html>"),
    ],
)
def test_broken_annotation_file(name, cut, message, tmp_path):
    data = write_mpii(tmp_path) if name == 'MpiiDataset' else write(tmp_path, [person(1)])
    path = tmp_path / data['ann_file']
    path.write_text(cut(path.read_text()))
    with pytest.raises(ValueError, match=f'{re.escape(str(path))}.*{message}'):
        build(name, **data)


def test_annotation_file_that_is_not_text(tmp_path):
    data = write(tmp_path, [person(1)])
    path = tmp_path / data['ann_file']
    path.write_bytes(b'{"images": "\xff\xfe"}')
    with pytest.raises(ValueError, match=r'annotations\.json is not text: byte 12 of 16'):
        build('CocoDataset', **data)


def test_error_names_the_broken_box_file(tmp_path):
    data = write(tmp_path, [person(1)])
    boxes = tmp_path / 'boxes.json'
    boxes.write_text('[{"bbox": [1, 2')
    with pytest.raises(ValueError, match=r'boxes\.json is truncated'):
        build('CocoDataset', bbox_file=str(boxes), test_mode=True, **data)


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


PIPELINE = [dict(type='LoadImage')]


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


def noise(seed=0):
    return np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


def encoded(extension):
    return cv2.imencode(extension, noise())[1].tobytes()


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'is empty'),
        (b'<html>not found', "not an image.*starts with b'<html>"),
        (encoded('.jpg')[:-400], 'is truncated'),
        (encoded('.jpg')[:200], 'is truncated'),
        (encoded('.png')[:-400], 'is truncated'),
    ],
    ids=['empty', 'text', 'truncated JPEG', 'JPEG header only', 'truncated PNG'],
)
def test_unreadable_image(data, message, tmp_path):
    dataset = build('CocoDataset', pipeline=PIPELINE, **write(tmp_path, [person(1)]))
    path = tmp_path / 'one.jpg'
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f'image {re.escape(str(path))}.*{message}'):
        dataset[0]


def test_truncated_jpeg_with_a_complete_thumbnail(tmp_path):
    thumbnail = encoded('.jpg')
    path = tmp_path / 'one.jpg'
    data = write(tmp_path, [person(1)])
    Image.fromarray(noise()).save(path, comment=thumbnail)
    whole = path.read_bytes()
    assert thumbnail in whole
    dataset = build('CocoDataset', pipeline=PIPELINE, **data)
    assert dataset[0]['img'].shape == (HEIGHT, WIDTH, 3)
    path.write_bytes(whole[:-400])
    with pytest.raises(ValueError, match='is truncated'):
        dataset[0]


@pytest.mark.parametrize('extension', ['.jpg', '.png', '.bmp', '.webp'])
@pytest.mark.parametrize('tail', [b'', b'\0' * 32])
def test_complete_image_is_read(extension, tail, tmp_path):
    dataset = build('CocoDataset', pipeline=PIPELINE, **write(tmp_path, [person(1)]))
    (tmp_path / 'one.jpg').write_bytes(encoded(extension) + tail)
    assert dataset[0]['img'].shape == (HEIGHT, WIDTH, 3)
