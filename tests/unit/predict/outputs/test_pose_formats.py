"""The formats of other tools, read by them or by their rules."""

import json
import os

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.unit.own_data import makers
from tests.unit.predict.frames import METAINFO, make_frame, make_poses, write_video
from vitpose.own_data.reading.yolo_folder import read_yolo
from vitpose.predict.inputs.sources import Source
from vitpose.predict.outputs.output_files import Outputs
from vitpose.predict.outputs.pose_formats import choose_formats
from vitpose.predict.poses import Frame, Poses

SOURCES = [Source('d/a.jpg', 'image'), Source('d/v.mp4', 'video'), Source('d/c.jpg', 'image')]


def write(out, name, *predicted, metainfo=METAINFO, sources=SOURCES):
    out.mkdir(exist_ok=True)
    outputs = Outputs(out, sources, metainfo | {'model': 'm.onnx'}, draw=False, save=[name])
    for frame, poses in predicted:
        outputs.write(frame, poses)
    outputs.close()


def video(*poses):
    return [(make_frame('d/v.mp4', index=i, time=i / 10), each) for i, each in enumerate(poses)]


def test_csv_of_one_person_has_deeplabcuts_three_header_rows(tmp_path):
    broken = Frame('d/v.mp4', None, 3, error='damaged')
    write(tmp_path, 'csv', *video(make_poses(1), make_poses(0), make_poses(1)), (broken, make_poses(0)))
    table = pd.read_csv(tmp_path / 'deeplabcut_csv/v.mp4.csv', header=[0, 1, 2], index_col=0)
    assert table.columns.names == ['scorer', 'bodyparts', 'coords'] and table.index.tolist() == [0, 1, 2, 3]
    assert table['m.onnx'].columns.tolist()[2:4] == [('head', 'likelihood'), ('left_foot', 'x')]
    assert table['m.onnx']['left_foot'].loc[2].tolist() == [8, 45, 0.8]
    assert table.loc[[1, 3]].isna().all(None) and table.loc[[0, 2]].notna().all(None)


def test_csv_of_several_people_has_individuals_and_images_share_a_table(tmp_path):
    poses = make_poses(3, track=True)
    poses.track_ids[:] = [10, -1, 2]
    poses.keypoints[0, 0, 0] = np.nan
    images = [(make_frame('d/a.jpg'), make_poses(1)), *video(poses), (make_frame('d/c.jpg'), make_poses(2))]
    write(tmp_path, 'csv', *images)
    folder = tmp_path / 'deeplabcut_csv'
    tracked, table = (pd.read_csv(folder / f'{n}.csv', header=[0, 1, 2, 3], index_col=0) for n in ('v.mp4', 'images'))
    assert tracked.columns.names == ['scorer', 'individuals', 'bodyparts', 'coords']
    assert list(dict.fromkeys(tracked.columns.get_level_values(1))) == ['track2', 'track10', 'untracked2']
    row = tracked['m.onnx'].loc[0]
    assert row['track2']['head'].tolist() == pytest.approx([40, 5, 0.9]) and row['track10']['head'].isna().all()
    assert table.index.tolist() == ['d/a.jpg', 'd/c.jpg']
    assert table['m.onnx'].loc['d/c.jpg', 'individual2']['right_foot'].tolist() == pytest.approx([29, 45, 0.1])
    assert table['m.onnx'].loc['d/a.jpg', 'individual2'].isna().all()


@pytest.mark.parametrize('name', ['csv', 'dlc'])
def test_names_that_are_not_utf_8_keep_their_bytes(tmp_path, name):
    file = os.fsdecode('Käse.jpg'.encode('latin-1'))
    write(tmp_path, name, (make_frame(file), make_poses(1)), sources=[Source(file, 'image')])
    (table,) = tmp_path.rglob('*.csv')
    assert 'Käse.jpg'.encode('latin-1') in table.read_bytes()


def openpose(out, poses, names):
    metainfo = METAINFO | dict(keypoint_id2name=dict(enumerate(names)), skeleton_links=[], skeleton_link_colors=[])
    write(out, 'openpose', *video(poses), metainfo=metainfo)
    content = json.loads((out / 'openpose_json/v.mp4/v_000000000000_keypoints.json').read_text())
    assert content['version'] == 1.3
    return [
        person | {key: np.reshape(value, (-1, 3)) for key, value in person.items() if key.endswith('2d')}
        for person in content['people']
    ]


def people(count, track=False):
    points = np.arange(2 * count, dtype=float).reshape(1, count, 2) + 1
    tracks = np.array([4]) if track else None
    return Poses(
        points, np.linspace(0.1, 0.9, count)[None], np.float32([[0, 0, 9, 9]]), np.ones(1), np.arange(1), tracks
    )


@pytest.mark.parametrize('dataset', ['coco', 'coco_wholebody'])
def test_openpose_gets_its_body_25_with_the_names_of_mmpose(tmp_path, dataset):
    mmpose = pytest.importorskip('mmpose.datasets.datasets.utils')
    info = mmpose.parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{dataset}.py'))
    names = [info['keypoint_id2name'][i] for i in range(info['num_keypoints'])]
    poses = people(len(names), track=True)
    poses.keypoints[0, names.index('left_eye')] = np.nan
    (person,) = openpose(tmp_path, poses, names)
    body, values = (
        person['pose_keypoints_2d'],
        {n: [*p, s] for n, p, s in zip(names, poses.keypoints[0], poses.scores[0], strict=True)},
    )
    assert body.shape == (25, 3) and person['person_id'] == [4] and person['pose_keypoints_3d'] == []
    for k, name in {0: 'nose', 2: 'right_shoulder', 7: 'left_wrist', 11: 'right_ankle', 18: 'left_ear'}.items():
        np.testing.assert_allclose(body[k], values[name], atol=1e-4)
    assert (body[16] == 0).all()  # not finite
    sides = np.array([values['left_shoulder'], values['right_shoulder']])
    np.testing.assert_allclose(body[1], [*sides[:, :2].mean(0), sides[:, 2].min()], atol=1e-4)
    np.testing.assert_allclose(body[8][:2], np.mean([values['left_hip'], values['right_hip']], 0)[:2], atol=1e-4)
    if dataset == 'coco':
        assert (body[19:] == 0).all() and not person['face_keypoints_2d'].size
    else:
        np.testing.assert_allclose(body[[19, 24]], [values['left_big_toe'], values['right_heel']], atol=1e-4)
        np.testing.assert_allclose(person['hand_right_keypoints_2d'][-1], values[names[-1]], atol=1e-4)
        np.testing.assert_allclose(person['hand_left_keypoints_2d'][0], values['left_hand_root'], atol=1e-4)
        face = person['face_keypoints_2d']
        np.testing.assert_allclose(face[67], values['face-67'], atol=1e-4)
        assert face.shape == (70, 3) and (face[68:] == 0).all()


def test_openpose_of_other_keypoints_is_in_the_order_of_the_model(tmp_path):
    first, second = openpose(tmp_path, make_poses(2), METAINFO['keypoint_id2name'].values())
    np.testing.assert_allclose(second['pose_keypoints_2d'], [(25, 5, 0.9), (23, 45, 0.8), (29, 45, 0.1)])
    assert first['person_id'] == [-1]


def test_yolo_labels_are_read_back(tmp_path):
    """By the reader of `vitpose dataset`; what is outside of the image or not sure has no label."""
    poses = make_poses(3)
    poses.keypoints[1, 1] = (90, 30)  # the image has 80x60 pixels
    poses.boxes[2] = (-10, -10, 100, 100)
    frames = (make_frame('d/a.jpg'), poses), (make_frame('d/c.jpg'), make_poses(0)), *video(make_poses(1))
    write(tmp_path / 'out', 'yolo', *frames)
    labels = tmp_path / 'out/yolo_labels'
    assert (labels / 'c.txt').read_text() == '' and (labels / 'v.mp4/v_000000000000.txt').exists()
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images/a.jpg'), frames[0][0].image)
    (labels).rename(tmp_path / 'labels')
    (tmp_path / 'data.yaml').write_text('kpt_shape: [3, 3]\ntrain: images\nval: images\nnames: [person]\n')
    (photo, *_) = read_yolo(tmp_path / 'data.yaml', None).photos
    first, second, third = (instance.keypoints for instance in photo.instances)
    np.testing.assert_allclose(first, [(10, 5, 2), (8, 45, 2), (0, 0, 0)], atol=1e-3)
    np.testing.assert_allclose(second, [(25, 5, 2), (0, 0, 0), (0, 0, 0)], atol=1e-3)
    np.testing.assert_allclose(photo.instances[0].box, (4, 2, 14, 48), atol=1e-3)
    np.testing.assert_allclose(photo.instances[2].box, (0, 0, 80, 60), atol=1e-3)
    assert len(third) == 3


@pytest.mark.parametrize(
    ('name', 'file'), [('cvat', 'labels.json'), ('coco', 'keypoints.json'), ('dlc', 'deeplabcut_labels')]
)
@pytest.mark.parametrize('count', [1, 2])
def test_labels_are_read_as_a_dataset(tmp_path, name, file, count):
    """Images with the same people, of which the last keypoint has a score of 0.1, and a frame that has no file."""
    paths = [str(makers.write_image(tmp_path / f'photos/{folder}/1.png')) for folder in ('a', 'b/d', 'c/d')]
    sources = [*(Source(path, 'image') for path in paths), Source('d/v.mp4', 'video')]
    images = [(make_frame(path), make_poses(count)) for path in paths]
    write(tmp_path / 'out', name, *images, *video(make_poses(1)), sources=sources)
    annotations = makers.read(tmp_path / 'out' / file, images=tmp_path / 'photos')
    assert annotations.labels.names == ['head', 'left_foot', 'right_foot'] and not annotations.unreadable
    assert [str(photo.path) for photo in annotations.photos] == paths
    expected = np.concatenate((make_poses(count).keypoints, np.full((count, 3, 1), 2)), 2)
    expected[:, 2] = 0
    for photo in annotations.photos:
        np.testing.assert_allclose([instance.keypoints for instance in photo.instances], expected, atol=1e-3)


def test_a_sleap_project_has_images_and_frames_of_videos(tmp_path):
    pytest.importorskip('sleap_io', reason='SLEAP projects need sleap-io')
    images = [str(makers.write_image(tmp_path / f'photos/{i}.png', i)) for i in range(2)]
    write_video(tmp_path / 'v.mp4', [np.full((60, 80, 3), 50 * i, np.uint8) for i in range(2)])
    sources = [*(Source(name, 'image') for name in images), Source(str(tmp_path / 'v.mp4'), 'video')]
    frames = [*((make_frame(name), make_poses(2)) for name in images)]
    frames += [(make_frame(str(tmp_path / 'v.mp4'), index=1, time=0.1), make_poses(1))]
    write(tmp_path / 'out', 'slp', *frames, sources=sources)
    annotations = makers.read(tmp_path / 'out/labels.slp')
    assert annotations.labels.links == [(0, 1), (0, 2)] and not annotations.unreadable
    *photos, frame = annotations.photos
    assert [str(photo.path) for photo in photos] == images
    assert cv2.imread(str(frame.path)).mean() == pytest.approx(50, abs=6)
    for photo, count in zip(annotations.photos, (2, 2, 1), strict=True):
        expected = np.concatenate((make_poses(count).keypoints, np.full((count, 3, 1), 2)), 2)
        expected[:, 2] = 0
        np.testing.assert_allclose([instance.keypoints for instance in photo.instances], expected, atol=1e-3)


def test_two_folders_of_one_name_have_two_tables(tmp_path):
    names = ['x/cam/1.jpg', 'y/cam/1.jpg', 'x/cam/2.jpg']
    sources = [Source(name, 'image') for name in names]
    write(tmp_path, 'dlc', *((make_frame(name), make_poses(1)) for name in names), sources=sources)
    tables = sorted((tmp_path / 'deeplabcut_labels/labeled-data').glob('*/*.csv'))
    rows = [[line.split(',')[0] for line in table.read_text().splitlines()[3:]] for table in tables]
    assert rows == [[f'labeled-data/x_cam/{i}.jpg' for i in (1, 2)], ['labeled-data/y_cam/1.jpg']]


def test_arrays(tmp_path):
    frames = [(make_frame('d/a.jpg'), make_poses(0)), *video(make_poses(2, track=True), make_poses(1))]
    write(tmp_path, 'npz', *frames, (Frame('d/c.jpg', None, error='broken'), make_poses(0)))
    arrays = np.load(tmp_path / 'predictions.npz')
    assert arrays['files'].tolist() == ['d/a.jpg', 'd/v.mp4', 'd/v.mp4', 'd/c.jpg']
    assert arrays['indices'].tolist() == [-1, 0, 1, -1] and arrays['frames'].tolist() == [1, 1, 2]
    np.testing.assert_array_equal(arrays['times'], [np.nan, 0, 0.1, np.nan])
    np.testing.assert_array_equal(
        arrays['keypoints'], np.concatenate([make_poses(2).keypoints, make_poses(1).keypoints])
    )
    assert arrays['track_ids'].tolist() == [0, 1, -1] and arrays['boxes'].shape == (3, 4)
    np.testing.assert_allclose(arrays['keypoint_scores'][2], [0.9, 0.8, 0.1], rtol=1e-6)
    assert arrays['keypoint_names'].tolist() == ['head', 'left_foot', 'right_foot']
    assert arrays['skeleton'].tolist() == [[0, 1], [0, 2]] and arrays['scores'].tolist() == [1, 1, 1]


def test_formats_are_chosen_by_name():
    assert choose_formats('npz, coco,npz') == ('npz', 'coco')
    expected = 'jsonl,coco,csv,openpose,yolo,npz,dlc,cvat,slp'
    with pytest.raises(ValueError, match=f"--save a: 'a': expected some of {expected}"):
        choose_formats('a')
