"""Tiny files in the formats of the checked datasets, for tests that break them."""

import json
import shutil

import cv2
import numpy as np
from mmpose.registry import DATASETS

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
PIPELINE = [dict(type='LoadImage')]


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


def several(folder, number=6):
    """A COCO file of several images with a person each; return the dataset's arguments."""
    files = write(folder, [person(1)])
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    content['images'] = [dict(content['images'][0], id=i, file_name=f'{i}.jpg') for i in range(number)]
    content['annotations'] = [dict(content['annotations'][0], id=i, image_id=i) for i in range(number)]
    path.write_text(json.dumps(content))
    for i in range(number):
        shutil.copy(folder / 'one.jpg', folder / f'{i}.jpg')
    return files


def write_mpii(folder, **changes):
    record = dict(image='001.jpg', center=[30, 20], scale=0.2, joints=[[9, 9]] * 16)
    record |= dict(joints_vis=[1] * 16) | changes
    (folder / 'mpii.json').write_text(json.dumps([record, record | dict(center=[31, 20])]))
    return dict(data_root=str(folder), ann_file='mpii.json', data_prefix=dict(img=''))


def build(name, **kwargs):
    return DATASETS.build(dict(type=f'Checked{name}', **kwargs))
