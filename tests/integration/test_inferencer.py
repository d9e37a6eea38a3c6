"""MMPose's inferencers with a multi-dataset model and with the files of `vitpose split`: which head predicts."""

import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.apis import MMPoseInferencer, inference_topdown, init_model
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.integration.conftest import write_people
from vitpose.cli.main import main

CONFIG = 'tests/unit/checkpoints/three_datasets.py'
KEYPOINTS = dict(coco=17, aic=14, mpii=16)


def metainfo(name):
    return parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{name}.py'))


@pytest.fixture
def model_of(root, tmp_path):
    """A function that writes a small ViTPose+ with the metainfo of a dataset and returns config and checkpoint."""

    def write(name):
        cfg = Config.fromfile(root / CONFIG)
        cfg.data_mode, cfg.dataset_type = 'topdown', 'CocoDataset'
        cfg.dump(tmp_path / 'several.py')
        init_default_scope('mmpose')
        content = dict(meta=dict(dataset_meta=metainfo(name)), state_dict=MODELS.build(cfg.model).state_dict())
        torch.save(content, tmp_path / 'several.pth')
        return str(tmp_path / 'several.py'), str(tmp_path / 'several.pth')

    return write


@pytest.fixture
def image(tmp_path):
    cv2.imwrite(str(tmp_path / 'image.png'), np.random.default_rng(0).integers(0, 255, (96, 72, 3), np.uint8))
    return str(tmp_path / 'image.png')


def infer(config, checkpoint, image):
    """The keypoints (K, 2) of MMPose's inferencer in the whole image, and the picture."""
    inferencer = MMPoseInferencer(str(config), str(checkpoint), device='cpu', det_model='whole_image')
    result = next(inferencer(image, return_vis=True))
    ((person,),) = result['predictions']
    return np.array(person['keypoints']), result['visualization'][0]


@pytest.mark.parametrize('name', KEYPOINTS)
def test_metainfo_of_the_checkpoint_selects_the_head(model_of, image, name):
    files = model_of(name)
    keypoints, _ = infer(*files, image)
    assert keypoints.shape == (KEYPOINTS[name], 2)
    (sample,) = inference_topdown(init_model(*files, device='cpu'), image)
    assert sample.metainfo['dataset_name'] == name
    np.testing.assert_allclose(sample.pred_instances.keypoints[0], keypoints, atol=1e-3)


def test_changing_the_metainfo_changes_the_head(model_of, image):
    model = init_model(*model_of('coco'), device='cpu')
    (named,) = inference_topdown(model, image)
    del model.dataset_meta['dataset_name']
    (nameless,) = inference_topdown(model, image)
    assert 'dataset_name' not in nameless.metainfo
    assert (nameless.pred_instances.keypoints == named.pred_instances.keypoints).all()
    model.head.default_dataset = None
    with pytest.raises(KeyError, match='no dataset_name in its metainfo.*default_dataset to one of aic, coco, mpii'):
        inference_topdown(model, image)
    model.dataset_meta = metainfo('mpii')
    (sample,) = inference_topdown(model, image)
    assert sample.pred_instances.keypoints.shape == (1, 16, 2)


@pytest.mark.slow
def test_split_model_works_with_mim_test_and_the_inferencer(root, tmp_path, run, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / 'data/aic', tmp_path / 'data/aic/val.json', 14)
    init_default_scope('mmpose')
    torch.save(MODELS.build(Config.fromfile(root / CONFIG).model).state_dict(), tmp_path / 'several.pth')
    assert main(['split', str(root / CONFIG), 'several.pth', '--dataset', 'aic', '--out', 'aic.pth']) == 0
    command = re.search(r'^  mim test mmpose (.*)$', capsys.readouterr().out, re.MULTILINE).group(1).split()
    assert re.search(r'Epoch\(test\).* aic/AP: ', run('test', *command))
    keypoints, picture = infer(tmp_path / 'aic.py', tmp_path / 'aic.pth', str(tmp_path / 'data/aic/001.jpg'))
    assert keypoints.shape == (14, 2) and picture.shape == (96, 128, 3)
