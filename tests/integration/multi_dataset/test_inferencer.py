"""MMPose's inferencers with a multi-dataset model: which head makes the predictions."""

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

KEYPOINTS = dict(coco=17, aic=14, mpii=16)


def metainfo(name):
    return parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{name}.py'))


@pytest.fixture
def multi_dataset_model(root, tmp_path):
    """A function that writes the config and checkpoint of a small ViTPose+ model and returns their paths."""

    def write(dataset_meta=None):
        cfg = Config.fromfile(root / 'tests/unit/checkpoints/three_datasets.py')
        cfg.data_mode, cfg.dataset_type = 'topdown', 'CocoDataset'
        cfg.dump(tmp_path / 'several.py')
        init_default_scope('mmpose')
        meta = dict(dataset_meta=dataset_meta) if dataset_meta else {}
        torch.save(dict(meta=meta, state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'several.pth')
        return str(tmp_path / 'several.py'), str(tmp_path / 'several.pth')

    return write


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (96, 72, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'image.png'), pixels)
    return str(tmp_path / 'image.png')


@pytest.mark.parametrize('name', KEYPOINTS)
def test_metainfo_of_the_checkpoint_selects_the_head(multi_dataset_model, image, name):
    config, checkpoint = multi_dataset_model(metainfo(name))
    inferencer = MMPoseInferencer(config, checkpoint, device='cpu', det_model='whole_image')
    ((people,),) = next(inferencer(image))['predictions']
    assert np.array(people['keypoints']).shape == (KEYPOINTS[name], 2)
    (sample,) = inference_topdown(init_model(config, checkpoint, device='cpu'), image)
    assert sample.metainfo['dataset_name'] == name
    np.testing.assert_allclose(sample.pred_instances.keypoints[0], people['keypoints'], atol=1e-3)


def test_changing_the_metainfo_changes_the_head(multi_dataset_model, image):
    model = init_model(*multi_dataset_model(metainfo('coco')), device='cpu')
    model.dataset_meta = metainfo('mpii')
    (sample,) = inference_topdown(model, image)
    assert sample.pred_instances.keypoints.shape == (1, 16, 2)


def test_default_dataset_is_used_without_a_dataset_name(multi_dataset_model, image):
    model = init_model(*multi_dataset_model(metainfo('coco')), device='cpu')
    (named,) = inference_topdown(model, image)
    del model.dataset_meta['dataset_name']
    (nameless,) = inference_topdown(model, image)
    assert 'dataset_name' not in nameless.metainfo
    assert (nameless.pred_instances.keypoints == named.pred_instances.keypoints).all()


def test_no_dataset_name_and_no_default_is_an_error(multi_dataset_model, image):
    model = init_model(*multi_dataset_model(metainfo('coco')), device='cpu')
    model.head.default_dataset = None
    del model.dataset_meta['dataset_name']
    with pytest.raises(KeyError, match='no dataset_name in its metainfo.*default_dataset to one of aic, coco, mpii'):
        inference_topdown(model, image)


def test_error_for_an_unknown_dataset_lists_the_known_ones(multi_dataset_model, image):
    model = init_model(*multi_dataset_model(metainfo('crowdpose')), device='cpu')
    with pytest.raises(KeyError, match="no head for dataset 'crowdpose': this model has heads for aic, coco, mpii"):
        inference_topdown(model, image)


def test_distillation_config_predicts_like_the_student(root, tmp_path, image):
    """`init_model` and the inferencer accept it without the teacher's files."""
    student, distillation = (
        root / f'configs/transfer/vitpose-micro{name}_synthetic-128x96.py' for name in ('', '-from-mini-output')
    )
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(student).model)
    torch.nn.init.normal_(model.head.final_layer.weight, std=0.1)
    checkpoint = str(tmp_path / 'student.pth')
    torch.save(dict(meta=dict(dataset_meta=metainfo('coco')), state_dict=model.state_dict()), checkpoint)
    expected, found = (
        inference_topdown(init_model(str(config), checkpoint, device='cpu'), image)[0].pred_instances
        for config in (student, distillation)
    )
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    inferencer = MMPoseInferencer(str(distillation), checkpoint, device='cpu', det_model='whole_image')
    ((person,),) = next(inferencer(image))['predictions']
    np.testing.assert_allclose(person['keypoints'], expected.keypoints[0], atol=1e-3)
