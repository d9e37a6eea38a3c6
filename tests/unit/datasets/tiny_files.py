"""Tiny files in the formats of the checked datasets, for tests that break them."""

import json

import cv2
import numpy as np
from mmpose.registry import DATASETS

import vitpose_mm  # noqa: F401, registers
from tests import coco_files

WIDTH, HEIGHT, K = 64, 48, 17
PARTS = dict(foot=6, face=68, lefthand=21, righthand=21)
NAMES = (
    'CocoDataset AicDataset MpiiDataset CrowdPoseDataset OCHumanDataset AP10KDataset CocoWholeBodyDataset '
    'HumanArtDataset CocoWholeBodyHandDataset'
).split()
COCO_LIKE = [name for name in NAMES if name not in ('MpiiDataset', 'CocoWholeBodyHandDataset')]
PIPELINE = [dict(type='LoadImage')]


def person(ann_id, box=(10, 8, 20, 30), **changes):
    """One COCO-WholeBody annotation, which every COCO-like class reads."""

    def points(count):
        return np.array([(12 + k % 10, 10 + k % 20, 2) for k in range(count)])

    parts = {f'{part}_kpts': points(k).ravel().tolist() for part, k in PARTS.items()}
    for side in ('lefthand', 'righthand'):
        parts |= {f'{side}_box': list(box), f'{side}_valid': True}
    return coco_files.person(ann_id, box, points(K), segmentation=[], **parts) | dict(area=300) | changes


def write(folder, annotations, images=('one.jpg',)):
    folder.mkdir(exist_ok=True)
    for name in images:
        cv2.imwrite(str(folder / name), np.full((HEIGHT, WIDTH, 3), 99, np.uint8))
    coco_files.write_coco(folder / 'annotations.json', images, HEIGHT, WIDTH, annotations)
    return dict(data_root=str(folder), ann_file='annotations.json', data_prefix=dict(img=''))


def several(folder, number=6):
    """A COCO file of images '0.jpg', '1.jpg', ... with one person each; return the dataset's arguments."""
    return write(folder, [person(i + 1, image_id=i + 1) for i in range(number)], [f'{i}.jpg' for i in range(number)])


def write_mpii(folder, **changes):
    record = dict(image='001.jpg', center=[30, 20], scale=0.2, joints=[[9, 9]] * 16, joints_vis=[1] * 16) | changes
    (folder / 'mpii.json').write_text(json.dumps([record, record | dict(center=[31, 20])]))
    return dict(data_root=str(folder), ann_file='mpii.json', data_prefix=dict(img=''))


def write_for(name, folder, *annotations):
    """Write the annotations, or MPII's file for its class; return the dataset's arguments."""
    return write_mpii(folder) if name == 'MpiiDataset' else write(folder, annotations or [person(1)])


def build(name, **kwargs):
    return DATASETS.build(dict(type=f'Checked{name}', **kwargs))
