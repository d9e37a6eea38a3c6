"""Crops are exactly those of MMPose's test pipeline; pipelines that cannot be repeated are refused."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from vitpose.predict.models.crops import CropRule, read_crop_rule
from vitpose.predict.models.torch_model import head_names, read_config, read_test_set
from vitpose_mm.estimators.plain_model import split_config

STEPS = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale', padding=1.1),
    dict(type='TopdownAffine', input_size=(96, 128), use_udp=True),
    dict(type='PackPoseInputs'),
]
CONFIGS = Path(__file__).parents[4] / 'configs'
LEAVES = {path.parent.name: path for path in CONFIGS.glob('[!_]*/*.py') if path.parent.name != 'pretrain'}


@pytest.mark.parametrize('use_udp', [True, False])
@pytest.mark.parametrize('input_size', [(96, 128), (192, 192)])
def test_crops_are_those_of_mmpose(use_udp, input_size):
    init_default_scope('mmpose')
    rng = np.random.default_rng(3)
    image, low = rng.integers(0, 255, (240, 320, 3), np.uint8), rng.uniform(-60, 300, (40, 2))
    boxes = np.concatenate((low, low + rng.uniform(1, 400, (40, 2))), 1).astype(np.float32)
    steps = [*STEPS[:2], dict(type='TopdownAffine', input_size=input_size, use_udp=use_udp), STEPS[3]]
    pipeline, rule = Compose(steps), read_crop_rule(steps, 'config')
    assert rule == CropRule(input_size, 1.1, use_udp)
    regions = rule.regions(boxes)
    crops = np.zeros((len(boxes), input_size[1], input_size[0], 3), np.uint8)
    rule.crop(image, *regions, crops)
    keypoints = rng.uniform(-5, 130, (len(boxes), 3, 2)).astype(np.float32)
    back = rule.to_image(keypoints, *regions)
    for i, box in enumerate(boxes):
        theirs = pipeline(dict(img=image, bbox=box[None], bbox_score=np.ones(1, np.float32)))
        np.testing.assert_array_equal(crops[i], theirs['inputs'].permute(1, 2, 0).numpy())
        meta = theirs['data_samples'].metainfo
        expected = keypoints[i] / meta['input_size'] * meta['input_scale']
        expected = expected + meta['input_center'] - 0.5 * meta['input_scale']
        np.testing.assert_array_equal(back[i], expected.astype(np.float32))
    assert crops.std() > 10
    assert rule.to_image(np.zeros((0, 17, 2)), *rule.regions(boxes[:0])).shape == (0, 17, 2)


@pytest.mark.parametrize(
    ('box', 'darkest'), [((0, 0, 1e-30, 1e-30), 255), ((-1e30, -1e30, 1e30, 1e30), 0), ((0, 0, 1, 1), 0)]
)
@pytest.mark.parametrize('use_udp', [True, False])
def test_extreme_boxes_are_cropped(box, darkest, use_udp):
    rule = CropRule((96, 128), use_udp=use_udp)
    crops = np.full((1, 128, 96, 3), 77, np.uint8)
    rule.crop(np.full((1, 1, 3), 255, np.uint8), *rule.regions(np.array([box], np.float32)), crops)
    assert crops.min() == darkest


@pytest.mark.parametrize(
    ('steps', 'message'),
    [
        ([*STEPS, dict(type='RandomFlip', prob=0.5)], r'config: PosePredictor cannot repeat RandomFlip\(prob=0.5\)'),
        ([dict(type='LoadImage', to_float32=True), *STEPS[1:]], r'cannot repeat LoadImage\(to_float32=True\)'),
        ([STEPS[0], *STEPS[2:]], 'config: expected GetBBoxCenterScale in the test pipeline'),
        (STEPS[:2], 'expected TopdownAffine'),
        ([], 'expected GetBBoxCenterScale'),
    ],
)
def test_other_pipelines_are_refused(steps, message):
    with pytest.raises(ValueError, match=message):
        read_crop_rule(steps, 'config')


def test_defaults_are_mmposes():
    steps = [dict(type='mmpose.GetBBoxCenterScale'), dict(type='mmpose.TopdownAffine', input_size=[96, 128])]
    assert read_crop_rule(steps, 'config') == CropRule((96, 128), 1.25, False)


@pytest.mark.parametrize('leaf', LEAVES.values(), ids=LEAVES)
def test_the_rule_of_our_configs(leaf):
    cfg, name = read_config(leaf)
    datasets = head_names(cfg)
    single = split_config(cfg, datasets[-1]) if datasets else cfg
    rule, meta = read_test_set(single, name)
    codec = single.model.head.decoder
    assert (rule.input_size, rule.use_udp) == (tuple(codec.input_size), 'UDP' in codec.type)
    assert rule.padding == (1.1 if 'synthetic' in name else 1.25)
    assert meta['num_keypoints'] == single.model.head.out_channels
    assert not datasets or meta['dataset_name'] == datasets[-1]
