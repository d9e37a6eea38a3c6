"""A teacher's files and a dataset of six people, for tests of distillation."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint
from mmpose.registry import MODELS

from tests.unit.estimators.distillation import PIPELINE, estimator


@pytest.fixture
def teacher(tmp_path):
    """A function that writes a teacher's config and checkpoint and returns the `teacher` argument for them."""

    def write(model=None, **more):
        init_default_scope('mmpose')
        torch.manual_seed(5)
        model = model or estimator(32)
        built = MODELS.build(model)
        for name, parameter in built.named_parameters():
            if 'final_layer' in name:
                torch.nn.init.normal_(parameter, std=0.1)
        Config(dict(model=model)).dump(tmp_path / 'teacher.py')
        save_checkpoint(dict(state_dict=built.state_dict(), meta={}), str(tmp_path / 'teacher.pth'))
        return dict(config=str(tmp_path / 'teacher.py'), checkpoint=str(tmp_path / 'teacher.pth'), **more)

    return write


@pytest.fixture
def data(tmp_path):
    """Config of a dataset in COCO format: six people on one noise image."""
    init_default_scope('mmpose')
    rng, people = np.random.default_rng(0), []
    cv2.imwrite(str(tmp_path / '1.png'), rng.integers(0, 255, (96, 128, 3), np.uint8))
    for i in range(1, 7):
        points = np.concatenate([rng.uniform(20, 80, (17, 2)), np.full((17, 1), 2)], 1)
        points[i] = 0
        people.append(
            dict(
                id=i,
                image_id=1,
                category_id=1,
                bbox=[10 + i, 12, 70, 75],
                area=3000,
                iscrowd=0,
                num_keypoints=16,
                keypoints=points.ravel().tolist(),
            )
        )
    content = dict(
        images=[dict(id=1, file_name='1.png', height=96, width=128)],
        annotations=people,
        categories=[dict(id=1, name='person')],
    )
    (tmp_path / 'people.json').write_text(json.dumps(content))
    return dict(
        type='CheckedCocoDataset',
        ann_file=str(tmp_path / 'people.json'),
        data_prefix=dict(img=str(tmp_path)),
        pipeline=PIPELINE,
    )
