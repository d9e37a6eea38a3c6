"""A teacher's files and a dataset of six people, for tests of distillation."""

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint
from mmpose.registry import MODELS

from tests.coco_files import noise_image, person, write_coco
from tests.unit.estimators.distillation import PIPELINE, estimator


@pytest.fixture(autouse=True)
def scope():
    """MMPose's registries, which otherwise the tests of another file choose."""
    init_default_scope('mmpose')


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
        config, checkpoint = str(tmp_path / 'teacher.py'), str(tmp_path / 'teacher.pth')
        Config(dict(model=model)).dump(config)
        save_checkpoint(dict(state_dict=built.state_dict(), meta={}), checkpoint)
        return dict(config=config, checkpoint=checkpoint, **more)

    return write


@pytest.fixture
def data(tmp_path):
    """Config of a dataset in COCO format: six people on one noise image."""
    init_default_scope('mmpose')
    rng, people = np.random.default_rng(0), []
    noise_image(tmp_path / '1.png', rng, 96, 128)
    for i in range(1, 7):
        points = np.insert(rng.uniform(20, 80, (17, 2)), 2, 2, axis=1)
        points[i] = 0
        people.append(person(i, [10 + i, 12, 70, 75], points))
    write_coco(tmp_path / 'people.json', ['1.png'], 96, 128, people)
    files = dict(ann_file=str(tmp_path / 'people.json'), data_prefix=dict(img=str(tmp_path)))
    return dict(type='CheckedCocoDataset', pipeline=PIPELINE, **files)
